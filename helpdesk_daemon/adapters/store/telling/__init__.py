"""What people are told and when: reminders, alerts, digests, reports; and what they are told of."""
