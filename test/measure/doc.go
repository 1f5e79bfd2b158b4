// Package measure holds what the benchmarks share: the program as it is shipped, run
// as a process of its own, connections that cost little, figures with their ratios and
// aims, the machine that they were taken on, and the page that they are written to. It
// decides nothing about what is measured.
package measure
