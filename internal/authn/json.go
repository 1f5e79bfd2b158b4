package authn

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth is how deep the JSON of a token may nest. Clerk's nests 2 deep.
const maxDepth = 16

// decodeObject reads one JSON object strictly: valid UTF-8, nothing behind it, no
// name twice in any object, at most maxDepth deep. Numbers become json.Number.
func decodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, refuseJSON
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	value, err := decodeValue(dec, maxDepth)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, refuseNotObject
	}
	return object, nil
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, refuseJSON
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if depth == 0 {
		return nil, refuseDepth
	}
	var value any
	if delim == '{' {
		value, err = decodeMembers(dec, depth-1)
	} else {
		value, err = decodeElements(dec, depth-1)
	}
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != nil { // the closing delimiter
		return nil, refuseJSON
	}
	return value, nil
}

func decodeMembers(dec *json.Decoder, depth int) (map[string]any, error) {
	object := map[string]any{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, refuseJSON
		}
		name, ok := tok.(string)
		if !ok {
			return nil, refuseJSON
		}
		if _, twice := object[name]; twice {
			return nil, refuseDuplicate
		}
		if object[name], err = decodeValue(dec, depth); err != nil {
			return nil, err
		}
	}
	return object, nil
}

func decodeElements(dec *json.Decoder, depth int) ([]any, error) {
	array := []any{}
	for dec.More() {
		value, err := decodeValue(dec, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	return array, nil
}
