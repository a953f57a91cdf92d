"""The world behind the ports: databases, mail servers, models. Only `app` and the commands come here."""
