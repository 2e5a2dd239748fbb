package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hard is not linearizable, and showing it takes a look at every subset of a hundred operations: all of them are
// refused at the same time, and afterwards somebody else holds the address.
func hard() history {
	lines := []Line{at(0, 1).asks(Input{Kind: "create", Account: "a"}).answers(done)}
	for i := 0; i < 100; i++ {
		lines = append(lines, at(2, 3).asks(Input{Kind: "create", Account: "b"}).answers(refused("EmailTaken")))
	}
	lines = append(lines, at(4, 5).answers(Output{Kind: kindFound, Account: "b"}))
	return history{"create", "hard", completed("create", lines)}
}

func TestABoundReachedIsNoSuccess(t *testing.T) {
	cases := []struct {
		name   string
		within bounds
	}{
		{"time of one object", bounds{time.Now().Add(time.Hour), 10 * time.Millisecond, -1}},
		{"time of all", bounds{time.Now().Add(-time.Second), time.Hour, -1}},
		{"steps", bounds{time.Now().Add(time.Hour), time.Hour, 1000}},
	}
	for _, c := range cases {
		verdict := checkAll([]history{hard()}, c.within)
		if verdict.Verdict != verdictUnknown || exitCode(verdict.Verdict) != exitUndecided {
			t.Errorf("%s: %+v", c.name, verdict)
		}
	}
}

func TestManyUnansweredOperationsDoNotMakeItHard(t *testing.T) {
	version := int64(1)
	lines := []Line{at(0, 1).asks(Input{Kind: "change", Value: "a"}).answers(Output{Kind: kindOk, Version: 1, Value: "a"})}
	for i := 0; i < 60; i++ {
		lines = append(lines, from(2).asks(Input{Kind: "change", At: &version, Value: "b"}))
	}
	back := at(8, 9).answers(Output{Kind: kindFound, Version: 1, Value: "a"})
	for _, c := range []struct {
		want string
		last Line
	}{
		{verdictOk, at(6, 7).answers(Output{Kind: kindFound, Version: 2, Value: "b"})},
		{verdictIllegal, at(6, 7).answers(Output{Kind: kindFound, Version: 3, Value: "b"})},
	} {
		all := append(append([]Line{}, lines...), at(4, 5).answers(Output{Kind: kindFound, Version: 1, Value: "a"}), c.last)
		if c.want == verdictIllegal {
			all = append(all, back)
		}
		within := generous()
		within.steps = 20000
		got := checkOne(history{"change", "k", completed("change", all)}, within)
		if got.Verdict != c.want || got.Unanswered != 60 {
			t.Errorf("%+v, not %s", got, c.want)
		}
	}
}

func TestTheWorstKeyIsTheVerdict(t *testing.T) {
	fine := history{"consume", "fine", completed("consume", []Line{at(0, 1).answers(absent)})}
	wrong := history{"consume", "wrong", completed("consume", []Line{at(0, 1).answers(found)})}
	within := generous()
	within.steps = 1000
	for _, c := range []struct {
		want string
		all  []history
	}{
		{verdictOk, []history{fine, fine}},
		{verdictUnknown, []history{fine, hard(), fine}},
		{verdictIllegal, []history{hard(), wrong, hard(), fine}},
	} {
		if got := checkAll(c.all, within); got.Verdict != c.want || len(got.Keys) != len(c.all) {
			t.Errorf("%+v, not %s", got, c.want)
		}
	}
}

func text(t *testing.T, histories ...history) *bytes.Buffer {
	t.Helper()
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, of := range histories {
		for _, line := range of.lines {
			line.Key = of.key
			if err := encoder.Encode(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &lines
}

func TestTheProgramNamesAndDrawsWhatIsWrong(t *testing.T) {
	fine := history{"consume", "fine", completed("consume", []Line{at(0, 1).answers(absent)})}
	wrong := history{"create", "a@example.test", completed("create", []Line{
		from(0).asks(Input{Kind: "create", Account: "x"}),
		at(1, 5).asks(Input{Kind: "create", Account: "y"}).answers(done),
		at(1, 5).asks(Input{Kind: "create", Account: "z"}).answers(done),
	})}
	html := filepath.Join(t.TempDir(), "wrong.html")
	var out, log bytes.Buffer
	if code := run([]string{"-html", html}, text(t, fine, wrong), &out, &log); code != exitIllegal {
		t.Fatalf("exit code %d: %s", code, log.String())
	}
	var verdict Verdict
	if err := json.Unmarshal(out.Bytes(), &verdict); err != nil {
		t.Fatal(err)
	}
	want := []KeyVerdict{
		{"consume", "fine", verdictOk, 1, 0},
		{"create", "a@example.test", verdictIllegal, 3, 1},
	}
	if len(verdict.Keys) != 2 || verdict.Keys[0] != want[0] || verdict.Keys[1] != want[1] {
		t.Errorf("%+v", verdict.Keys)
	}
	if verdict.Visualisation != html || !strings.Contains(log.String(), "a@example.test") {
		t.Errorf("%+v, %s", verdict, log.String())
	}
	drawn, err := os.ReadFile(html)
	if err != nil || !strings.Contains(string(drawn), "create y") {
		t.Errorf("drawn: %v, %d bytes", err, len(drawn))
	}
}

func TestExitCodes(t *testing.T) {
	fine := history{"consume", "fine", completed("consume", []Line{at(0, 1).answers(absent)})}
	cases := []struct {
		name      string
		arguments []string
		in        *bytes.Buffer
		want      int
	}{
		{"linearizable", nil, text(t, fine), exitLinearizable},
		{"undecided", []string{"-key-steps", "100"}, text(t, hard()), exitUndecided},
		{"nothing to check", nil, text(t), exitUnusable},
		{"an unknown flag", []string{"-nonsense"}, text(t, fine), exitUnusable},
		{"a file named", []string{"history"}, text(t, fine), exitUnusable},
		{"no time at all", []string{"-time", "0s"}, text(t, fine), exitUnusable},
	}
	for _, c := range cases {
		var out, log bytes.Buffer
		if code := run(c.arguments, c.in, &out, &log); code != c.want {
			t.Errorf("%s: exit code %d: %s", c.name, code, log.String())
		}
	}
}
