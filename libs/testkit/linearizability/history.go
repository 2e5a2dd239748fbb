package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
)

// The longest line, in bytes.
const lineLength = 1 << 20

// Line is one operation of a client, from its first call to its answer. Times are in nanoseconds since any moment, the
// same for all lines. An operation whose outcome is not known has neither Return nor Output.
type Line struct {
	Model  string  `json:"model"`
	Key    string  `json:"key"`
	Client int     `json:"client"`
	Op     string  `json:"op"`
	Call   int64   `json:"call"`
	Return *int64  `json:"return"`
	Input  Input   `json:"input"`
	Output *Output `json:"output"`
}

// Input is what was asked for; which fields it has depends on its kind.
type Input struct {
	Kind    string `json:"kind"`
	Account string `json:"account,omitempty"`
	At      *int64 `json:"at,omitempty"`
	Value   string `json:"value,omitempty"`
}

// Output is what was answered; which fields it has depends on its kind and on the model.
type Output struct {
	Kind    string `json:"kind"`
	Reason  string `json:"reason,omitempty"`
	Account string `json:"account,omitempty"`
	Version int64  `json:"version,omitempty"`
	Value   string `json:"value,omitempty"`
	UID     int64  `json:"uid,omitempty"`
	Node    string `json:"node,omitempty"`
}

// history is all that happened to one object.
type history struct {
	model, key string
	lines      []Line
}

// readHistories splits the lines by object, and sorts the objects by model and key.
func readHistories(in io.Reader) ([]history, error) {
	type object struct{ model, key string }
	found := map[object][]Line{}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, lineLength)
	for number := 1; scanner.Scan(); number++ {
		line, err := readLine(scanner.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		of := object{line.Model, line.Key}
		found[of] = append(found[of], line)
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("the history is empty: it shows nothing")
	}
	var histories []history
	for of, lines := range found {
		if err := checkRepeats(lines); err != nil {
			return nil, fmt.Errorf("%s %q: %w", of.model, of.key, err)
		}
		histories = append(histories, history{of.model, of.key, lines})
	}
	sort.Slice(histories, func(i, j int) bool {
		a, b := histories[i], histories[j]
		return a.model < b.model || a.model == b.model && a.key < b.key
	})
	return histories, nil
}

func readLine(text []byte) (Line, error) {
	var line Line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&line); err != nil {
		return line, err
	}
	if decoder.More() {
		return line, errors.New("more than one value")
	}
	spec, known := specifications[line.Model]
	switch {
	case !known:
		return line, fmt.Errorf("unknown model %q", line.Model)
	case !spec.inputs[line.Input.Kind]:
		return line, fmt.Errorf("%s has no operation %q", line.Model, line.Input.Kind)
	case (line.Return == nil) != (line.Output == nil):
		return line, errors.New("an answer has both a time and an output, an unknown outcome neither")
	case line.Return != nil && *line.Return < line.Call:
		return line, errors.New("answered before it was called")
	case line.Input.Kind == kindRead && line.Output == nil:
		return line, errors.New("a read without an answer says nothing: it is left out")
	case line.Input.Kind != kindRead && line.Op == "":
		return line, errors.New("a write has an operation id")
	case line.Input.Kind == kindRead && line.Op != "":
		return line, errors.New("a read has no operation id")
	}
	return line, nil
}

// checkRepeats refuses what the models do not describe: attempts of an operation are one line until there is an answer.
// One sent again after its answers may stay without another.
func checkRepeats(lines []Line) error {
	for i, line := range lines {
		if line.Op == "" || line.Output != nil {
			continue
		}
		for j, other := range lines {
			if i != j && other.Op == line.Op && (other.Return == nil || *other.Return > line.Call) {
				return fmt.Errorf("operation %s has no answer and is there twice: attempts are one operation", line.Op)
			}
		}
	}
	return nil
}

// countOps tells how many lines each operation id has.
func countOps(lines []Line) map[string]int {
	times := map[string]int{}
	for _, line := range lines {
		if line.Op != "" {
			times[line.Op]++
		}
	}
	return times
}
