"""Runs the whole product on one machine: the emulator, a mailbox and a front door."""
