"""The words a text may be written in: plain English about data, and nothing that can give orders.

Closed on purpose: whatever a hostile name, comment or value says, a text cannot repeat it.
"""

from __future__ import annotations

_BASE = """
a about above according across actual actually addition additionally affect after afterwards again
against age aggregate ahead airline airport all allow almost alone along already also although
always among amount an analysis and another any anything apart appear append application
approximate approximately are area around arrange arrival arrive as aside ask at automatic
automatically available average away back base based basis be became because become been before
began begin being belong below benefit best better between beyond big bigger both bound bounds
brief bring but by calculate calculation calendar called came can cannot carrier case category
cause certain certainly certainty change check city class clean clear clearly code collect column
combine combined come common commonly compact compare comparison complete completely compute
condition confidence confident consequently consist consistent consistently constraint contain
content contents contract convert copies copy correct correspond cost costs could count country
cover create created current currently customer daily data database date day decimal decrease
define defined definition delay depart departure depend derive describe description destination
detail determine did differ difference different digit direct directly disk distance distinct
divide do document does done down drop due duration during each earlier early easier easily easy
effect efficiency efficient efficiently eight either element eliminate else empty enable end
enforce enforced engine enough entire entirely entry equal equally especially estimate even event
every exact exactly example except exist existing expect expected expensive expression extra fact
fail failed fails fall false far fast faster few fewer field figure file fill filter filtering
final finally find fine first fit five fixed flag flight follow following for form format former
found four fraction free freely frequent frequently from full fully further gain gave general
generally get give given go good grace great greater greatest group grouping grow grown guarantee
had half handful happen hardly has have having height held help hence here high higher highest
hold hour how however id identical identification identifier identify if impact implement improve
improved improvement in include including increase index indexes indicate individual information
insert inserting inside instance instead integer interval into is it item its itself join joining
just keep kept key kilometre kind kinds know known large larger largest last later latitude least
leave length less level lie like likely limit line list little live local location logic long
longer longest longitude look lookup lose loss lost low lower lowest made main mainly maintain
make manner many mark match matter maximum may mean meaning means meanwhile measure measured
measurement measuring median memory mention method middle might mile minimum minor minute missing
mixed model moment month more moreover most mostly move much multiple name named nature near
nearly necessary need negative neither never new newer next nine no none nor normal normally not
note nothing noticeable noticeably now null number numeric object observe occur of off offer often
old older on once one only onto open operation optimise optimize or order ordered ordering origin
original originally other others otherwise out outcome outweigh over overall own pace page part
partial particular particularly partly pass past path pay per percent percentage perform
performance performed perhaps period person phase physical piece place plain plane plus point
points portion position positive possible possibly practice precise precisely precision predict
present preserve previous previously price primary prior probably process processing produce
product promise proportion prove proved proven provide purpose quantity queries query question
quick quicker quickly quite range rarely rate rather raw reach read reading reason rebuild record
recreate reduce reduction redundant refer reference reflect region regular regularly rehearsal
rehearse relate relation relationship relative relatively remain remaining removal repeat replace
report represent require required respect respective respectively rest result results retain
return reverse revert rewrite right round route row rows rule run running safe same sample save
saved scan scheduled search second see seen select separate sequence serve set seven several
shadow share short shorten shorter show shown shrink side sign similar similarly simple simply
since single six size sky slight slightly slow slower slowly small smaller smallest so some
something sometimes somewhat sort sorted sorting source space spaces specific speed spend split
spread stand standard start state stated states station status stay step still storage store
stored storing street string structure study subset such sum summarise summarize summary supplier
support sure table take taken taking target temperature ten test text than that the their them
themselves then there therefore these they thing things this those though three through throughout
thus time times timestamp to together too took total touch trade tried trigger trip true try two
type types typical typically unaffected unchanged under understand undo undoing undone unique unit
unknown unless unlike until unused up update upon usage use used useful useless user using usual
usually value values varies various vary verified version very via view visibility volume want
warning was waste way week weekday weekly weight well went were what when whenever where whereas
whether which while who whole whose why wide width will wind with within without word words work
workload worse would write writing written year yearly yet zero zone
"""
KNOWN = frozenset(_BASE.split())
_ENDINGS = (("ies", "y"), ("es", ""), ("es", "e"), ("s", ""), ("ed", ""), ("ed", "e"), ("d", ""),
            ("ing", ""), ("ing", "e"), ("ly", ""), ("ally", ""))  # fmt: skip


def is_known(word: str) -> bool:
    """Return whether a word, or what it is a form of, belongs to the vocabulary."""
    low = word.lower().replace("\u2019", "'").removesuffix("'s")
    if low in KNOWN:
        return True
    roots = (low.removesuffix(end) + instead for end, instead in _ENDINGS if low.endswith(end))
    return any(root in KNOWN for root in roots)
