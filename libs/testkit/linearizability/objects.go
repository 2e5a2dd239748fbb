package main

// The kinds of inputs and outputs.
const (
	kindRead    = "read"
	kindOk      = "ok"
	kindRefused = "refused"
	kindAbsent  = "absent"
	kindFound   = "found"
)

// specification says how one object behaves when it is used by one client at a time.
type specification struct {
	inputs  map[string]bool
	initial interface{}
	// apply tells whether the object may answer so, and what it is afterwards. Without an output the answer is not
	// known: then it returns what the object is if it carried the input out. It must not change what it is given, and
	// objects must be comparable with ==.
	apply func(before interface{}, in Input, out *Output) (after interface{}, legal bool)
}

var specifications = map[string]specification{
	"create":  {kinds("create"), account(""), applyToAccount},
	"change":  {kinds("change"), record{}, applyToRecord},
	"consume": {kinds("put", "consume"), tokenAbsent, applyToToken},
	"assign":  {kinds("assign"), place{}, applyToPlace},
}

func kinds(writes ...string) map[string]bool {
	all := map[string]bool{kindRead: true}
	for _, write := range writes {
		all[write] = true
	}
	return all
}

// decided is the answer of a write that is either carried out or refused for one reason.
func decided(out *Output, carriedOut bool, refusal string) bool {
	switch {
	case out == nil:
		return true
	case carriedOut:
		return out.Kind == kindOk
	default:
		return out.Kind == kindRefused && out.Reason == refusal
	}
}

// account is who holds an e-mail address; empty = nobody. The first verified account keeps it.
type account string

func applyToAccount(before interface{}, in Input, out *Output) (interface{}, bool) {
	holder := before.(account)
	if in.Kind == kindRead {
		if holder == "" {
			return holder, out.Kind == kindAbsent
		}
		return holder, out.Kind == kindFound && out.Account == string(holder)
	}
	free := holder == ""
	if free {
		holder = account(in.Account)
	}
	return holder, decided(out, free, "EmailTaken")
}

// record is a user's record; version 0 = there is none. A change names the version it was decided on.
type record struct {
	version int64
	value   string
}

func applyToRecord(before interface{}, in Input, out *Output) (interface{}, bool) {
	stored := before.(record)
	if in.Kind == kindRead {
		if stored.version == 0 {
			return stored, out.Kind == kindAbsent
		}
		return stored, out.Kind == kindFound && record{out.Version, out.Value} == stored
	}
	at := int64(0)
	if in.At != nil {
		at = *in.At
	}
	if at != stored.version {
		return stored, decided(out, false, "Conflict")
	}
	after := record{stored.version + 1, in.Value}
	legal := decided(out, true, "") && (out == nil || record{out.Version, out.Value} == after)
	return after, legal
}

// token is a single-use token: put once, spent once.
type token int

const (
	tokenAbsent token = iota
	tokenLive
	tokenSpent
)

func applyToToken(before interface{}, in Input, out *Output) (interface{}, bool) {
	stored := before.(token)
	live := stored == tokenLive
	switch {
	case in.Kind == kindRead && live:
		return stored, out.Kind == kindFound
	case in.Kind == kindRead:
		return stored, out.Kind == kindAbsent
	case in.Kind == "put" && stored == tokenAbsent:
		return tokenLive, decided(out, true, "")
	case in.Kind == "put":
		// Two different operations never make the same token.
		return stored, out == nil
	case live:
		return tokenSpent, decided(out, true, "")
	default:
		return stored, decided(out, false, "TokenSpent")
	}
}

// place is where a user of a service is; the first assignment stands. The store chooses uid and node, so that after an
// assignment without an answer they are open (zero) until somebody reads them.
type place struct {
	assigned bool
	uid      int64
	node     string
}

func applyToPlace(before interface{}, in Input, out *Output) (interface{}, bool) {
	stored := before.(place)
	if in.Kind == kindRead {
		if !stored.assigned {
			return stored, out.Kind == kindAbsent
		}
		seen := place{true, out.UID, out.Node}
		return seen, out.Kind == kindFound && out.UID > 0 && (stored.uid == 0 || stored == seen)
	}
	if stored.assigned {
		return stored, decided(out, false, "Conflict")
	}
	if out == nil {
		return place{assigned: true}, true
	}
	return place{true, out.UID, out.Node}, decided(out, true, "") && out.UID > 0
}
