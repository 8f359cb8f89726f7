# SPDX-License-Identifier: GPL-2.0-only
# Prometheus' text format, read strictly: HELP and TYPE stand before a metric's samples,
# which stand together; no sample twice; a counter's name ends with _total.
function bad(why) { print "line " NR ": " why ": " $0; failed = 1; exit 1 }
/^# HELP / { if ($3 in helped) bad("twice"); helped[$3] = 1; if (NF < 4) bad("no help"); name = $3; next }
/^# TYPE / {
	if ($3 != name) bad("not after its HELP")
	if ($4 != "gauge" && $4 != "counter") bad("no such type")
	if (($4 == "counter") != ($3 ~ /_total$/)) bad("the name of a counter ends with _total, and no other")
	typed[$3] = 1
	next
}
/^#/ || /^$/ { bad("neither a sample nor a head") }
{
	if (!match($0, /^[a-z_]+(\{[a-z]+="([^"\\]|\\["\\n])*"(,[a-z]+="([^"\\]|\\["\\n])*")*\})? [0-9]+$/)) bad("no sample")
	of = $0
	sub(/[{ ].*/, "", of)
	if (of != name || !(of in typed)) bad("not behind its TYPE")
	sample = $0
	sub(/ [0-9]+$/, "", sample)
	if (sample in seen) bad("twice")
	seen[sample] = 1
}
END { if (!failed && !length(seen)) { print "there are none"; exit 1 } }
