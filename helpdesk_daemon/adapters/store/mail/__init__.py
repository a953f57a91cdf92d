"""Mail on its way: kept, decided, sent, filed; and the facts that are noted with a decision."""
