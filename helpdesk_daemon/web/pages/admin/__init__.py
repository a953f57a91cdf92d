"""`/admin/`: pages for people with an account, a module a subject."""

from helpdesk_daemon.web.pages.admin import audit, mail, review, ticket, tickets, users

routers = (tickets.router, ticket.router, review.router, mail.router, audit.router, users.router)
