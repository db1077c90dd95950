"""What candidates for the judge are compared on: size, memory, speed, quality, learning, safety."""
