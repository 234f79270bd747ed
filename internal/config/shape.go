package config

import (
	"fmt"
	"reflect"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// shape compares a document with the declarations before it is decoded, where the decoder is lenient: it would cut
// 1.5 to 1, and read version 4.10 as the number 4.1. What it does not know of is left to the decoder's errors.
func (c *checker) shape(path string, node ast.Node, t reflect.Type) ast.Node {
	switch n := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		c.fail(path, "anchors, aliases and tags are not taken: write the value itself")
	case *ast.MappingNode:
		c.mapping(path, n, t)
	case *ast.SequenceNode:
		if t.Kind() == reflect.Slice {
			for i, item := range n.Values {
				n.Values[i] = c.shape(fmt.Sprintf("%s[%d]", path, i), item, t.Elem())
			}
		}
	case ast.ScalarNode:
		return c.scalar(path, n, t)
	}
	return node
}

func (c *checker) mapping(path string, n *ast.MappingNode, t reflect.Type) {
	for _, entry := range n.Values {
		if entry.Key.IsMergeKey() {
			c.fail(path, "anchors, aliases and tags are not taken: write the value itself")
			continue
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("yaml"); name == entry.Key.GetToken().Value {
				entry.Value = c.shape(path+"."+name, entry.Value, t.Field(i).Type)
			}
		}
	}
}

// scalar checks a single value. Text that looks like a number is taken as it is written: an agent's id, a version.
func (c *checker) scalar(path string, node ast.ScalarNode, t reflect.Type) ast.Node {
	written := node.GetToken().Value
	is := node.Type()
	switch {
	case is == ast.NullType:
	case t == reflect.TypeFor[time.Duration]():
		if _, err := time.ParseDuration(written); err != nil {
			c.fail(path, "%q is not a duration such as 30s or 5m", written)
		}
	case t.Kind() == reflect.String && (is == ast.IntegerType || is == ast.FloatType):
		return ast.String(node.GetToken())
	case t.Kind() == reflect.String && is != ast.StringType && is != ast.LiteralType:
		c.fail(path, "%s is not text: put it in quotes", written)
	case t.Kind() == reflect.Int && is != ast.IntegerType:
		c.fail(path, "%q is not a whole number", written)
	case t.Kind() == reflect.Bool && is != ast.BoolType:
		c.fail(path, "%q is neither true nor false", written)
	}
	return node
}
