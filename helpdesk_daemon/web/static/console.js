// What makes the console quicker; every page works without it.
"use strict";
