#!/bin/sh
# Runs a benchmark binary once, as a test.
exec "./$@"
