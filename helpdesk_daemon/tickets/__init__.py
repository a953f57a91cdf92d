"""What we keep: tickets, their tracking IDs and the times promised on them. Pure."""
