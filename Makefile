# Thin aliases; machines without make use python3 bootstrap.py directly.
.PHONY: run test lint bench setup
run test lint bench setup:
	@python3 bootstrap.py $@ $(ARGS)
