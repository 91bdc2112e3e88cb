"""Logs: structured, one logger for all; a notification is followed by its dispatch id."""

from aws_lambda_powertools import Logger

logger = Logger(service="vestnik")
