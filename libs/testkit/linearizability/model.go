package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/anishathalye/porcupine"
)

// state is an object and what the checker has to remember beside it. Comparable with ==.
type state struct {
	object interface{}
	// done and refused hold what operations were answered that are in the history more than once.
	done, refused answers
	// ended is set once everything that has an answer is in place.
	ended bool
}

// call is an operation as porcupine sees it.
type call struct {
	op      string
	repeats bool
	input   Input
	// end marks no operation but the end of all that have an answer.
	end bool
}

// answers are the answers of operations, one a line, sorted, so that equal ones compare equal.
type answers string

func (a answers) of(op string) (string, bool) {
	for _, line := range strings.Split(string(a), "\n") {
		if strings.HasPrefix(line, op+" ") {
			return line[len(op)+1:], true
		}
	}
	return "", false
}

func (a answers) with(op, answer string) answers {
	lines := append(strings.Split(string(a), "\n"), op+" "+answer)
	sort.Strings(lines)
	return answers(strings.Join(lines, "\n"))
}

// next is one step of the sequential object, with operation ids and unknown outcomes.
//
// An operation without an answer may take effect at any time after its call, or never. It is given no end, and may be
// placed where it has an effect, or after everything else: there it cannot be told from one that never happened. To
// place one where it has no effect would prove nothing and let the search grow with every subset of them.
//
// An operation that was done answers the same again and changes nothing more. One that was refused wrote nothing: its
// repetition may be refused as before, or judged again.
func (s specification) next(before state, asked call, out *Output) (state, bool) {
	if asked.end {
		before.ended = true
		return before, true
	}
	earlier, known := before.done.of(asked.op)
	if out == nil {
		if before.ended || known {
			return before, before.ended
		}
		after := before
		after.object, _ = s.apply(before.object, asked.input, nil)
		return after, after != before
	}
	if known {
		return before, earlier == out.text()
	}
	if earlier, known := before.refused.of(asked.op); known && earlier == out.text() {
		return before, true
	}
	after, legal := before, false
	after.object, legal = s.apply(before.object, asked.input, out)
	if !legal || !asked.repeats {
		return after, legal
	}
	switch out.Kind {
	case kindOk:
		after.done = before.done.with(asked.op, out.text())
	case kindRefused:
		after.refused = before.refused.with(asked.op, out.text())
	}
	return after, true
}

// budget bounds the search in one history.
type budget struct {
	steps int
	spent bool
}

// model is the specification as porcupine wants it. When the budget is spent, no step is legal any more, so that the
// search ends; its result means nothing then.
func (s specification) model(left *budget) porcupine.Model {
	return porcupine.Model{
		Init: func() interface{} { return state{object: s.initial} },
		Step: func(before, input, output interface{}) (bool, interface{}) {
			if left.steps == 0 {
				left.spent = true
				return false, before
			}
			left.steps--
			after, legal := s.next(before.(state), input.(call), output.(*Output))
			return legal, after
		},
		DescribeOperation: func(input, output interface{}) string {
			return describe(input.(call), output.(*Output))
		},
		DescribeState: func(at interface{}) string { return fmt.Sprintf("%+v", at.(state).object) },
	}
}

// operations are the lines of one history, with times that say which outcomes are not known.
func operations(lines []Line) []porcupine.Operation {
	times := countOps(lines)
	last, unanswered := int64(0), false
	for _, line := range lines {
		last = latest(last, line.Call)
		if line.Return == nil {
			unanswered = true
		} else {
			last = latest(last, *line.Return)
		}
	}
	end, never := last+1, last+2
	var all []porcupine.Operation
	clients := 0
	for _, line := range lines {
		if line.Client >= clients {
			clients = line.Client + 1
		}
		asked := call{op: line.Op, repeats: times[line.Op] > 1, input: line.Input}
		returned := never
		if line.Return != nil {
			returned = *line.Return
		}
		all = append(all, porcupine.Operation{
			ClientId: line.Client, Input: asked, Call: line.Call, Output: line.Output, Return: returned,
		})
	}
	if unanswered {
		all = append(all, porcupine.Operation{
			ClientId: clients, Input: call{end: true}, Call: end, Output: (*Output)(nil), Return: end,
		})
	}
	return all
}

func latest(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

func (out *Output) text() string {
	text, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and numbers always have a text
	}
	return string(text)
}

func describe(asked call, out *Output) string {
	if asked.end {
		return "no more answers"
	}
	what := asked.input.Kind
	switch what {
	case "create":
		what += " " + asked.input.Account
	case "change":
		at := "none"
		if asked.input.At != nil {
			at = fmt.Sprint(*asked.input.At)
		}
		what += fmt.Sprintf(" at %s: %s", at, asked.input.Value)
	}
	if out == nil {
		return what + " -> ?"
	}
	return what + " -> " + out.text()
}
