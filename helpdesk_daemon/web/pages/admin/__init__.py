"""`/admin/`: pages for people with an account, a module a subject."""

from helpdesk_daemon.web.pages.admin import audit, examples, mail, review, rules, ticket, tickets, users

routers = (tickets.router, ticket.router, review.router, mail.router, examples.router, rules.router, audit.router,
           users.router)  # fmt: skip
