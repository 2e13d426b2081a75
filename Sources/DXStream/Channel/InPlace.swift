/// What `question` says of a part of a channel where it lies.
///
/// A method that is called on an element of an array, or on what a getter tells, is mostly called on a copy: a stream has some hundred bytes,
/// and each reference in it is counted up and down. For each packet that was a third of all instructions.
@inline(__always)
func inPlace<Subject, Answer>(_ subject: inout Subject, _ question: (inout Subject) -> Answer) -> Answer {
    question(&subject)
}
