// Checks recorded histories for linearizability: reads operations as JSON lines from standard input, splits them by
// object, checks each object with porcupine and prints a verdict as JSON. README.md describes the formats.
//
// What must stay true: exit code 0 means that every object's history was shown to be linearizable, and nothing else
// does. A history that could not be decided in time is not a success, and neither is one without operations.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// Exit codes.
const (
	exitLinearizable = 0
	exitIllegal      = 1
	exitUndecided    = 2
	exitUnusable     = 3
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(arguments []string, in io.Reader, out, log io.Writer) int {
	bounds, visualisation, err := options(arguments, log)
	if err != nil {
		fmt.Fprintln(log, err)
		return exitUnusable
	}
	histories, err := readHistories(in)
	if err != nil {
		fmt.Fprintln(log, err)
		return exitUnusable
	}
	verdict := checkAll(histories, bounds)
	if err := visualise(&verdict, histories, bounds, visualisation); err != nil {
		// The verdict stands without its picture.
		fmt.Fprintln(log, err)
	}
	for _, key := range verdict.Keys {
		if key.Verdict != verdictOk {
			fmt.Fprintf(log, "%s %q: %s (%d operations, %d without an answer)\n",
				key.Model, key.Key, key.Verdict, key.Operations, key.Unanswered)
		}
	}
	if err := json.NewEncoder(out).Encode(verdict); err != nil {
		fmt.Fprintln(log, err)
		return exitUnusable
	}
	return exitCode(verdict.Verdict)
}

func exitCode(verdict string) int {
	switch verdict {
	case verdictOk:
		return exitLinearizable
	case verdictIllegal:
		return exitIllegal
	default:
		return exitUndecided
	}
}

func options(arguments []string, log io.Writer) (bounds, string, error) {
	flags := flag.NewFlagSet("foxhold-linearizability", flag.ContinueOnError)
	flags.SetOutput(log)
	total := flags.Duration("time", 5*time.Minute, "for all objects together; what is left then is unknown")
	each := flags.Duration("key-time", 20*time.Second, "for one object; unknown after that")
	steps := flags.Int("key-steps", 3000000, "of the search in one object's history, which bounds its memory; unknown after that")
	html := flags.String("html", "", "where to draw the first history that is not linearizable")
	if err := flags.Parse(arguments); err != nil {
		return bounds{}, "", err
	}
	if flags.NArg() > 0 {
		return bounds{}, "", fmt.Errorf("the history is read from standard input, not from %q", flags.Arg(0))
	}
	if *total <= 0 || *each <= 0 || *steps <= 0 {
		return bounds{}, "", errors.New("every bound must be above zero")
	}
	return bounds{until: time.Now().Add(*total), each: *each, steps: *steps}, *html, nil
}
