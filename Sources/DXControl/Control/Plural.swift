/// A number of things in words: `1 connection`, `2 connections`.
func plural(_ number: some BinaryInteger, _ thing: String) -> String { "\(number) \(thing)\(number == 1 ? "" : "s")" }
