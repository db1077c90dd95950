"""Who else could have advised: others instead of Pillion, and Pillion without one of its parts."""
