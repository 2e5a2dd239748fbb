package main

import (
	"testing"
	"time"
)

type example struct {
	name  string
	want  string
	lines []Line
}

func check(t *testing.T, model string, examples []example) {
	t.Helper()
	for _, e := range examples {
		lines := completed(model, e.lines)
		if err := checkRepeats(lines); err != nil {
			t.Errorf("%s, %s: %v", model, e.name, err)
		}
		got := checkOne(history{model, "k", lines}, generous())
		if got.Verdict != e.want {
			t.Errorf("%s, %s: %s, not %s", model, e.name, got.Verdict, e.want)
		}
	}
}

func generous() bounds {
	return bounds{until: time.Now().Add(time.Minute), each: time.Minute, steps: 1000000}
}

func TestCreate(t *testing.T) {
	create := func(account string) Input { return Input{Kind: "create", Account: account} }
	seen := func(account string) Output { return Output{Kind: kindFound, Account: account} }
	taken := refused("EmailTaken")
	check(t, "create", []example{
		{"one of three wins", verdictOk, []Line{
			at(0, 9).asks(create("a")).answers(taken),
			at(1, 9).asks(create("b")).answers(done),
			at(2, 9).asks(create("c")).answers(taken),
			at(10, 11).answers(seen("b")),
		}},
		{"a read during the creation may see either", verdictOk, []Line{
			at(0, 9).asks(create("a")).answers(done),
			at(1, 2).answers(absent),
			at(3, 4).answers(seen("a")),
		}},
		{"a moment shared is no order", verdictOk, []Line{
			at(0, 5).asks(create("a")).answers(done),
			at(5, 6).answers(absent),
		}},
		{"two winners", verdictIllegal, []Line{
			at(0, 9).asks(create("a")).answers(done),
			at(1, 9).asks(create("b")).answers(done),
		}},
		{"refused while nobody has it", verdictIllegal, []Line{
			at(0, 1).asks(create("a")).answers(taken),
			at(2, 3).asks(create("b")).answers(done),
		}},
		{"refused for a reason that cannot be", verdictIllegal, []Line{
			at(0, 1).asks(create("a")).answers(done),
			at(2, 3).asks(create("b")).answers(refused("Conflict")),
		}},
		{"a read that goes back", verdictIllegal, []Line{
			at(0, 9).asks(create("a")).answers(done),
			at(1, 2).answers(seen("a")),
			at(3, 4).answers(absent),
		}},
		{"a creation that is lost", verdictIllegal, []Line{
			at(0, 1).asks(create("a")).answers(done),
			at(2, 3).answers(absent),
		}},
		{"one that was not done, and left out, but was", verdictIllegal, []Line{
			at(2, 3).answers(seen("a")),
		}},
		{"without an answer, and done", verdictOk, []Line{
			from(0).asks(create("a")),
			at(1, 2).asks(create("b")).answers(taken),
			at(3, 4).answers(seen("a")),
		}},
		{"without an answer, and not done", verdictOk, []Line{
			from(0).asks(create("a")),
			at(1, 2).asks(create("b")).answers(done),
			at(3, 4).answers(seen("b")),
		}},
		{"without an answer, and done long after", verdictOk, []Line{
			from(0).asks(create("a")),
			at(100, 101).answers(absent),
			at(200, 201).answers(seen("a")),
		}},
		{"without an answer, but seen before it was called", verdictIllegal, []Line{
			at(0, 1).answers(seen("a")),
			from(2).asks(create("a")),
		}},
		{"without an answer, and done, and undone", verdictIllegal, []Line{
			from(0).asks(create("a")),
			at(1, 2).answers(seen("a")),
			at(3, 4).asks(create("b")).answers(done),
		}},
		{"two without an answer, of which the second was done", verdictOk, []Line{
			from(0).asks(create("a")),
			from(0).asks(create("b")),
			at(1, 2).asks(create("c")).answers(taken),
			at(3, 4).answers(seen("b")),
		}},
		{"two without an answer, and both were seen", verdictIllegal, []Line{
			from(0).asks(create("a")),
			from(0).asks(create("b")),
			at(1, 2).answers(seen("a")),
			at(3, 4).answers(seen("b")),
		}},
		{"nothing but outcomes that are not known", verdictOk, []Line{
			from(0).asks(create("a")),
			from(0).asks(create("b")),
		}},
		{"a repeated creation is done again", verdictOk, []Line{
			at(0, 1).asks(create("a")).answers(done).named("x"),
			at(2, 3).asks(create("a")).answers(done).named("x"),
		}},
		{"a repeated creation is refused by itself", verdictIllegal, []Line{
			at(0, 1).asks(create("a")).answers(done).named("x"),
			at(2, 3).asks(create("a")).answers(taken).named("x"),
		}},
	})
}

func TestChange(t *testing.T) {
	first := func(value string) Input { return Input{Kind: "change", Value: value} }
	change := func(version int64, value string) Input {
		return Input{Kind: "change", At: &version, Value: value}
	}
	now := func(version int64, value string) Output {
		return Output{Kind: kindOk, Version: version, Value: value}
	}
	seen := func(version int64, value string) Output {
		return Output{Kind: kindFound, Version: version, Value: value}
	}
	conflict := refused("Conflict")
	check(t, "change", []example{
		{"one of two wins, and the other does after it has read", verdictOk, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			at(2, 9).asks(change(1, "b")).answers(conflict),
			at(2, 9).asks(change(1, "c")).answers(now(2, "c")),
			at(10, 11).answers(seen(2, "c")),
			at(12, 13).asks(change(2, "b")).answers(now(3, "b")),
		}},
		{"a lost update", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			at(2, 9).asks(change(1, "b")).answers(now(2, "b")),
			at(2, 9).asks(change(1, "c")).answers(now(2, "c")),
		}},
		{"an update that nobody sees", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			at(2, 3).asks(change(1, "b")).answers(now(2, "b")),
			at(4, 5).answers(seen(1, "a")),
		}},
		{"a read that goes back", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			at(2, 9).asks(change(1, "b")).answers(now(2, "b")),
			at(3, 4).answers(seen(2, "b")),
			at(5, 6).answers(seen(1, "a")),
		}},
		{"the right version with another's value", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			at(2, 3).answers(seen(1, "b")),
		}},
		{"a version left out", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(2, "a")),
		}},
		{"a conflict with nobody", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			at(2, 3).asks(change(1, "b")).answers(conflict),
		}},
		{"two records from nothing", verdictIllegal, []Line{
			at(0, 9).asks(first("a")).answers(now(1, "a")),
			at(0, 9).asks(first("b")).answers(now(1, "b")),
		}},
		{"without an answer, and done", verdictOk, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			from(2).asks(change(1, "b")),
			at(3, 4).asks(change(1, "c")).answers(conflict),
			at(5, 6).asks(change(2, "c")).answers(now(3, "c")),
		}},
		{"without an answer, and not done", verdictOk, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			from(2).asks(change(1, "b")),
			at(3, 4).asks(change(1, "c")).answers(now(2, "c")),
			at(5, 6).answers(seen(2, "c")),
		}},
		{"without an answer, and done in between by its version", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")),
			from(2).asks(change(1, "b")),
			at(3, 4).asks(change(1, "c")).answers(now(2, "c")),
			at(5, 6).answers(seen(3, "b")),
		}},
		{"many without an answer, and the last of a chain is seen", verdictOk, []Line{
			from(0).asks(first("a")),
			from(0).asks(first("b")),
			from(0).asks(change(1, "c")),
			from(0).asks(change(1, "d")),
			from(0).asks(change(2, "e")),
			at(5, 6).answers(seen(1, "b")),
			at(7, 8).answers(seen(3, "e")),
		}},
		{"a repeated change answers what it answered, though others came after it", verdictOk, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")).named("x"),
			at(2, 3).asks(change(1, "b")).answers(now(2, "b")),
			at(4, 5).asks(first("a")).answers(now(1, "a")).named("x"),
			at(6, 7).answers(seen(2, "b")),
		}},
		{"a repeated change is done twice", verdictIllegal, []Line{
			at(0, 1).asks(first("a")).answers(now(1, "a")).named("x"),
			at(2, 3).asks(first("a")).answers(now(1, "a")).named("x"),
			at(4, 5).answers(seen(2, "a")),
		}},
	})
}

func TestConsume(t *testing.T) {
	put, consume := Input{Kind: "put"}, Input{Kind: "consume"}
	spent := refused("TokenSpent")
	check(t, "consume", []example{
		{"one of two spends it", verdictOk, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 3).answers(found),
			at(4, 9).asks(consume).answers(spent),
			at(4, 9).asks(consume).answers(done),
			at(10, 11).answers(absent),
		}},
		{"a token spent twice", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 9).asks(consume).answers(done),
			at(10, 19).asks(consume).answers(done),
		}},
		{"a token nobody put", verdictIllegal, []Line{
			at(2, 9).asks(consume).answers(done),
		}},
		{"refused though it is there", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 3).asks(consume).answers(spent),
		}},
		{"not done, and left out, but spent", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			at(5, 6).asks(consume).answers(spent),
		}},
		{"a read that goes back", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 9).asks(consume).answers(done),
			at(3, 4).answers(absent),
			at(5, 6).answers(found),
		}},
		{"spending without an answer, and done", verdictOk, []Line{
			at(0, 1).asks(put).answers(done),
			from(2).asks(consume),
			at(3, 4).asks(consume).answers(spent),
		}},
		{"spending without an answer, and not done", verdictOk, []Line{
			at(0, 1).asks(put).answers(done),
			from(2).asks(consume),
			at(3, 4).asks(consume).answers(done),
		}},
		{"spending without an answer explains one loser's luck, not two", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			from(2).asks(consume),
			at(3, 4).asks(consume).answers(done),
			at(5, 6).asks(consume).answers(done),
		}},
		{"putting without an answer, and done late", verdictOk, []Line{
			from(0).asks(put),
			at(1, 2).asks(consume).answers(spent),
			at(3, 4).asks(consume).answers(done),
		}},
		{"the same operation again is told the same", verdictOk, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 3).asks(consume).answers(done).named("x"),
			at(4, 5).asks(consume).answers(spent).named("y"),
			at(6, 7).asks(consume).answers(done).named("x"),
			at(8, 9).asks(consume).answers(spent).named("y"),
		}},
		{"the same operation twice at once", verdictOk, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 9).asks(consume).answers(done).named("x"),
			at(2, 9).asks(consume).answers(done).named("x"),
		}},
		{"the winner's repetition is refused", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 3).asks(consume).answers(done).named("x"),
			at(4, 5).asks(consume).answers(spent).named("x"),
		}},
		{"the loser's repetition wins", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 3).asks(consume).answers(done).named("x"),
			at(4, 5).asks(consume).answers(spent).named("y"),
			at(6, 7).asks(consume).answers(done).named("y"),
		}},
		{"refused before it was put, and as before after it", verdictOk, []Line{
			at(0, 1).asks(consume).answers(spent).named("x"),
			at(2, 3).asks(put).answers(done),
			at(4, 5).asks(consume).answers(spent).named("x"),
		}},
		{"refused before it was put, and judged again after it", verdictOk, []Line{
			at(0, 1).asks(consume).answers(spent).named("x"),
			at(2, 3).asks(put).answers(done),
			at(4, 5).asks(consume).answers(done).named("x"),
		}},
		{"the winner's repetition has no answer, and does nothing", verdictOk, []Line{
			at(0, 1).asks(consume).answers(spent).named("x"),
			at(2, 3).asks(put).answers(done).named("p"),
			at(4, 5).asks(consume).answers(done).named("x"),
			from(6).asks(put).named("p"),
			at(7, 8).asks(consume).answers(spent),
		}},
		{"the winner's repetition has no answer, and puts it again", verdictIllegal, []Line{
			at(2, 3).asks(put).answers(done).named("p"),
			at(4, 5).asks(consume).answers(done),
			from(6).asks(put).named("p"),
			at(7, 8).asks(consume).answers(done),
		}},
		{"the loser's repetition has no answer, and spends it", verdictOk, []Line{
			at(0, 1).asks(consume).answers(spent).named("x"),
			at(2, 3).asks(put).answers(done),
			from(4).asks(consume).named("x"),
			at(5, 6).answers(found),
			at(7, 8).asks(consume).answers(spent),
		}},
		{"put twice", verdictIllegal, []Line{
			at(0, 1).asks(put).answers(done),
			at(2, 3).asks(put).answers(done),
		}},
	})
}

func TestAssign(t *testing.T) {
	assign := Input{Kind: "assign"}
	now := func(uid int64, node string) Output { return Output{Kind: kindOk, UID: uid, Node: node} }
	seen := func(uid int64, node string) Output { return Output{Kind: kindFound, UID: uid, Node: node} }
	conflict := refused("Conflict")
	check(t, "assign", []example{
		{"one of two wins", verdictOk, []Line{
			at(0, 9).asks(assign).answers(conflict),
			at(0, 9).asks(assign).answers(now(1, "n")),
			at(10, 11).answers(seen(1, "n")),
		}},
		{"two nodes for one user", verdictIllegal, []Line{
			at(0, 9).asks(assign).answers(now(1, "n")),
			at(0, 9).asks(assign).answers(now(2, "m")),
		}},
		{"another uid than was given", verdictIllegal, []Line{
			at(0, 1).asks(assign).answers(now(1, "n")),
			at(2, 3).answers(seen(2, "n")),
		}},
		{"another node than was given", verdictIllegal, []Line{
			at(0, 1).asks(assign).answers(now(1, "n")),
			at(2, 3).answers(seen(1, "m")),
		}},
		{"a conflict with nobody", verdictIllegal, []Line{
			at(0, 1).asks(assign).answers(conflict),
		}},
		{"no node, though there is room", verdictIllegal, []Line{
			at(0, 1).asks(assign).answers(refused("NoNode")),
		}},
		{"a read that goes back", verdictIllegal, []Line{
			at(0, 9).asks(assign).answers(now(1, "n")),
			at(1, 2).answers(seen(1, "n")),
			at(3, 4).answers(absent),
		}},
		{"without an answer, and done: the first reader tells where", verdictOk, []Line{
			from(0).asks(assign),
			at(1, 2).asks(assign).answers(conflict),
			at(3, 4).answers(seen(7, "m")),
			at(5, 6).answers(seen(7, "m")),
		}},
		{"without an answer, and done in two places", verdictIllegal, []Line{
			from(0).asks(assign),
			at(3, 4).answers(seen(7, "m")),
			at(5, 6).answers(seen(8, "m")),
		}},
		{"without an answer, and not done", verdictOk, []Line{
			from(0).asks(assign),
			at(1, 2).answers(absent),
			at(3, 4).asks(assign).answers(now(1, "n")),
			at(5, 6).answers(seen(1, "n")),
		}},
		{"without an answer, and it took the place of one that was given", verdictIllegal, []Line{
			from(0).asks(assign),
			at(3, 4).asks(assign).answers(now(1, "n")),
			at(5, 6).answers(seen(2, "n")),
		}},
		{"a repeated assignment is the same", verdictOk, []Line{
			at(0, 1).asks(assign).answers(now(1, "n")).named("x"),
			at(2, 3).asks(assign).answers(now(1, "n")).named("x"),
		}},
		{"a repeated assignment has no answer, and gives another place", verdictIllegal, []Line{
			at(0, 1).asks(assign).answers(now(1, "n")).named("x"),
			from(2).asks(assign).named("x"),
			at(3, 4).answers(seen(2, "n")),
		}},
		{"a repeated assignment is another", verdictIllegal, []Line{
			at(0, 1).asks(assign).answers(now(1, "n")).named("x"),
			at(2, 3).asks(assign).answers(now(2, "n")).named("x"),
		}},
	})
}
