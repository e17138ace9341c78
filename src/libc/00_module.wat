;; The libc's module: its functions work on the memory of the program that calls them.
(import "program" "memory" (memory 0))
