"""`/admin/`: pages for people with an account, a module a subject."""

from helpdesk_daemon.web.pages.admin import tickets

routers = (tickets.router,)
