"""The vocabulary that the rest of Tremplin shares: pilot, contract, release, settings, store, journal."""
