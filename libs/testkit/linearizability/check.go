package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdicts. Unknown means that a bound was reached before the search ended.
const (
	verdictOk      = "ok"
	verdictIllegal = "illegal"
	verdictUnknown = "unknown"
)

// Verdict is what is printed.
type Verdict struct {
	// The worst of all keys: illegal, then unknown, then ok.
	Verdict string       `json:"verdict"`
	Keys    []KeyVerdict `json:"keys"`
	// Where the first illegal history is drawn, if it is.
	Visualisation string `json:"visualisation,omitempty"`
}

// KeyVerdict is the verdict on one object.
type KeyVerdict struct {
	Model      string `json:"model"`
	Key        string `json:"key"`
	Verdict    string `json:"verdict"`
	Operations int    `json:"operations"`
	Unanswered int    `json:"unanswered"`
}

// bounds end a search: for everything at a time, for one object after a while or a number of steps.
type bounds struct {
	until time.Time
	each  time.Duration
	steps int
}

// left is how long one more search may take. At least a nanosecond: for porcupine zero is no bound at all.
func (b bounds) left() time.Duration {
	left := time.Until(b.until)
	if left > b.each {
		left = b.each
	}
	if left < 1 {
		left = 1
	}
	return left
}

// checkAll checks as many objects at once as there are processors.
func checkAll(histories []history, within bounds) Verdict {
	verdict := Verdict{Verdict: verdictOk, Keys: make([]KeyVerdict, len(histories))}
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i := range histories {
		i := i
		all.Add(1)
		places <- struct{}{}
		go func() {
			defer all.Done()
			verdict.Keys[i] = checkOne(histories[i], within)
			<-places
		}()
	}
	all.Wait()
	for _, key := range verdict.Keys {
		if key.Verdict == verdictIllegal || key.Verdict == verdictUnknown && verdict.Verdict == verdictOk {
			verdict.Verdict = key.Verdict
		}
	}
	return verdict
}

func checkOne(of history, within bounds) KeyVerdict {
	verdict := KeyVerdict{Model: of.model, Key: of.key, Operations: len(of.lines)}
	for _, line := range of.lines {
		if line.Output == nil {
			verdict.Unanswered++
		}
	}
	left := budget{steps: within.steps}
	model := specifications[of.model].model(&left)
	switch porcupine.CheckOperationsTimeout(model, operations(of.lines), within.left()) {
	case porcupine.Ok:
		verdict.Verdict = verdictOk
	case porcupine.Illegal:
		// The search has ended, so nobody writes to the budget any more.
		verdict.Verdict = verdictIllegal
		if left.spent {
			verdict.Verdict = verdictUnknown
		}
	default:
		verdict.Verdict = verdictUnknown
	}
	return verdict
}

// visualise draws the first illegal history to a file.
func visualise(verdict *Verdict, histories []history, within bounds, path string) error {
	if path == "" || verdict.Verdict != verdictIllegal {
		return nil
	}
	for i, key := range verdict.Keys {
		if key.Verdict != verdictIllegal {
			continue
		}
		// Drawing replays what the search found, so a bound on its steps would end it in the middle.
		model := specifications[key.Model].model(&budget{steps: -1})
		_, found := porcupine.CheckOperationsVerbose(model, operations(histories[i].lines), within.each)
		if err := porcupine.VisualizePath(model, found, path); err != nil {
			return fmt.Errorf("drawing %s %q: %w", key.Model, key.Key, err)
		}
		verdict.Visualisation = path
		return nil
	}
	return nil
}
