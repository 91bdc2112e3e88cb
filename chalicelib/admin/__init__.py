"""The admin panel: pages that are made on the server, by the same services and rights as the API."""
