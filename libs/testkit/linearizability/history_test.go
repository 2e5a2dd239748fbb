package main

import (
	"fmt"
	"strings"
	"testing"
)

// at is an operation between two moments, to be completed by asks and answers.
func at(call, returned int64) Line {
	return Line{Call: call, Return: &returned}
}

// from is an operation that nobody answered.
func from(call int64) Line {
	return Line{Call: call}
}

func (l Line) asks(in Input) Line {
	l.Input = in
	return l
}

func (l Line) answers(out Output) Line {
	l.Output = &out
	return l
}

func (l Line) named(op string) Line {
	l.Op = op
	return l
}

var (
	done   = Output{Kind: kindOk}
	absent = Output{Kind: kindAbsent}
	found  = Output{Kind: kindFound}
)

func refused(reason string) Output {
	return Output{Kind: kindRefused, Reason: reason}
}

// completed gives every line a model, a key, a client and, where it has none, an operation id of its own.
func completed(model string, lines []Line) []Line {
	for i := range lines {
		line := &lines[i]
		line.Model, line.Key, line.Client = model, "k", i
		if line.Input.Kind == "" {
			line.Input.Kind = kindRead
		}
		if line.Op == "" && line.Input.Kind != kindRead {
			line.Op = fmt.Sprintf("op%d", i)
		}
	}
	return lines
}

func TestLinesAreSplitByModelAndKey(t *testing.T) {
	text := `{"model":"create","key":"b","client":0,"op":"1","call":1,"return":2,"input":{"kind":"create","account":"x"},"output":{"kind":"ok"}}
{"model":"create","key":"a","client":0,"op":"2","call":3,"return":4,"input":{"kind":"create","account":"y"},"output":{"kind":"ok"}}
{"model":"change","key":"b","client":0,"op":"3","call":5,"input":{"kind":"change","at":7,"value":"z"}}
{"model":"create","key":"b","client":1,"call":5,"return":6,"input":{"kind":"read"},"output":{"kind":"found","account":"x"}}
`
	histories, err := readHistories(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, of := range histories {
		seen = append(seen, fmt.Sprintf("%s %s %d", of.model, of.key, len(of.lines)))
	}
	if got := strings.Join(seen, ", "); got != "change b 1, create a 1, create b 2" {
		t.Errorf("split into %s", got)
	}
	if in := histories[0].lines[0].Input; in.At == nil || *in.At != 7 {
		t.Errorf("read %+v", in)
	}
}

func TestUnusableHistoriesAreRefused(t *testing.T) {
	const (
		head = `{"model":"consume","key":"k","client":0,"call":5,`
		out  = `,"return":6,"output":{"kind":"ok"}}`
	)
	cases := []struct{ name, text string }{
		{"nothing", ""},
		{"no JSON", "hello"},
		{"two values", head + `"op":"1","input":{"kind":"put"}` + out + "{}"},
		{"an unknown field", head + `"op":"1","colour":1,"input":{"kind":"put"}` + out},
		{"an unknown model", `{"model":"x","key":"k","call":5,"op":"1","input":{"kind":"put"}` + out},
		{"an operation of another model", head + `"op":"1","input":{"kind":"assign"}` + out},
		{"an answer without a time", head + `"op":"1","input":{"kind":"put"},"output":{"kind":"ok"}}`},
		{"a time without an answer", head + `"op":"1","input":{"kind":"put"},"return":6}`},
		{"an answer before the call", head + `"op":"1","input":{"kind":"put"},"return":4,"output":{"kind":"ok"}}`},
		{"a read without an answer", head + `"input":{"kind":"read"}}`},
		{"a read with an operation id", head + `"op":"1","input":{"kind":"read"}` + out},
		{"a write without an operation id", head + `"input":{"kind":"put"}` + out},
		{"attempts that were not joined", head + `"op":"1","input":{"kind":"put"}}` + "\n" +
			head + `"op":"1","input":{"kind":"put"}` + out},
	}
	for _, c := range cases {
		if _, err := readHistories(strings.NewReader(c.text)); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}
