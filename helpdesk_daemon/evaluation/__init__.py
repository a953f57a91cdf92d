"""How well the classifier does on labelled tickets: the code that `evaluate` and the scripts share."""
