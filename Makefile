# Thin aliases; machines without make use python3 bootstrap.py directly.
.PHONY: run test lint bench setup model player
run test lint bench setup model player:
	@python3 bootstrap.py $@ $(ARGS)
