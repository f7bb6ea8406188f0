# Thin aliases; machines without make use python3 bootstrap.py directly.
.PHONY: run test lint bench setup model
run test lint bench setup model:
	@python3 bootstrap.py $@ $(ARGS)
