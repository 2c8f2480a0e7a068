"""How the platform delivers: attempts, answers, repetitions (contract, behaviour.md section 3)."""
