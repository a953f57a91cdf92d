"""`python -m helpdesk_daemon` and the console script."""

from helpdesk_daemon.cli.main import main

if __name__ == "__main__":
    main()
