import DXTunnel
import Foundation

/// What `netcheck` prints behind a port-restricted NAT, as JSON: the layout is a promise to programs.
let sampleNetworkJSON =
    #"{"binding":{"expired_seconds":31.5,"state":"measured","survived_seconds":29.5},"families":[{"addresses":["192.168.1.10"],"#
    + #""ip_version":4,"nat":{"filtering":"address_and_port_dependent","hairpin":false,"kind":"port-restricted cone NAT","#
    + #""mapping":"endpoint_independent","meaning":"easy NAT","ports":"preserved","udp":"works"},"#
    + #""outside":["203.0.113.10:40144"]},{"addresses":[],"ip_version":6,"outside":[]}],"keepalive_seconds":23.5,"#
    + #""matchmakers":[{"address":"192.0.2.11:3478","datagrams_of_1200_bytes":true,"members":2,"#
    + #""observed":["203.0.113.10:20578"],"pin":"\#(idText("m"))","rtt_us":3179,"server":"match.example:3478","#
    + #""state":"registered","stun":true},{"observed":[],"pin":"\#(idText("n"))","problem":"it has another pin","#
    + #""seen_pin":"\#(idText("o"))","server":"192.0.2.21:3478","state":"failing"}],"#
    + #""outlook":{"by_prediction":["symmetric NAT"],"direct":["no NAT","full cone NAT"],"impossible":[]},"#
    + #""port_mappings":[{"behind_another_nat":false,"ip_version":4,"outside":"203.0.113.10:7700","router":"192.168.1.1","#
    + #""via":"NAT-PMP"}],"problems":["192.0.2.21:3478: it has another pin"],"schema":1,"#
    + #""time":"2026-11-26T15:40:00.000Z","took_ms":4059,"usable":true}"#

/// What `explain` prints of a peer that cannot be reached.
let sampleExplanationJSON =
    #"{"conclusion":"both NATs choose outside ports that cannot be foreseen","failures":2,"id":"\#(idText("b"))","#
    + #""introduction":{"failure":"both NATs choose outside ports that cannot be foreseen","matchmaker":"192.0.2.11:3478","#
    + #""notes":[{"ms":0,"what":"asked for at 192.0.2.11:3478"},{"ms":11,"what":"introduced by 192.0.2.11:3478"}],"#
    + #""ours":{"ipv4":{"filtering":"address_and_port_dependent","kind":"symmetric NAT","#
    + #""mapping":"address_and_port_dependent","meaning":"hard NAT","ports":"random","udp":"works"},"mapped_port":false,"#
    + #""observed":"203.0.113.10:47628"},"outcome":"failed","pairs":[{"first_sent_ms":44,"heard":0,"held_back":0,"kind":"host","#
    + #""local":"192.168.1.10:57617","remote":"192.168.2.10:59681","result":"given up: no answer","sent":2,"used":false},"#
    + #"{"first_sent_ms":20,"heard":2,"heard_ms":20,"held_back":1,"kind":"peer-reflexive","local":"192.168.1.10:57617","#
    + #""remote":"198.51.100.10:27188","result":"not decided when the time was over","sent":8,"used":false}],"#
    + #""prediction":{"method":"birthday","ours":true,"sent":512},"#
    + #""refused":[{"address":"127.0.0.1:7700","kind":"host","reason":"it is a loopback address"}],"#
    + #""started":"2026-11-26T15:39:54.000Z","theirs":{"mapped_port":true},"theory":"no direct way","took_ms":4000},"#
    + #""next_ms":20313,"peer":"edge-1","registered_at":["192.0.2.11:3478"],"remedy":"map a port to the gateway","schema":1,"#
    + #""since":"2026-11-26T15:39:46.000Z","state":"down","time":"2026-11-26T15:40:00.000Z"}"#

/// What `explain` prints of a peer that was introduced.
let sampleConnectionJSON =
    #"{"conclusion":"connected, by a direct way","connection":{"found":"introduction","local":"192.168.1.10:57617","#
    + #""path_kind":"direct","remote":"198.51.100.10:44073","rtt_us":3489,"since":"2026-11-26T15:39:43.000Z"},"failures":0,"#
    + #""id":"\#(idText("b"))","introduction":{"matchmaker":"192.0.2.11:3478","notes":[],"ours":{"mapped_port":false},"#
    + #""outcome":"found","pairs":[{"answered_ms":9,"first_sent_ms":0,"heard":3,"heard_ms":12,"held_back":0,"#
    + #""kind":"server-reflexive","local":"192.168.1.10:57617","observed":"203.0.113.10:47628","remote":"198.51.100.10:44073","#
    + #""result":"works in both directions","rtt_us":9266,"sent":2,"used":true}],"refused":[],"#
    + #""started":"2026-11-26T15:39:43.000Z","theirs":{"mapped_port":false},"theory":"a direct way by IPv4","took_ms":12},"#
    + #""peer":"edge-1","registered_at":["192.0.2.11:3478"],"schema":1,"since":"2026-11-26T15:39:43.000Z","#
    + #""state":"connected","time":"2026-11-26T15:40:00.000Z"}"#

/// Reads one of these.
func sample<Value: Decodable>(_: Value.Type, _ json: String) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(json.utf8))
}
