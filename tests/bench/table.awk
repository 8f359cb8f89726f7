# SPDX-License-Identifier: GPL-2.0-only
# Figures into a table, a CSV file and a picture.
#
# Usage: awk -v csv=FILE -v svg=FILE -f table.awk WORKS FIGURES
#
# WORKS    lines of works.list
# FIGURES  lines "CASE WORK SUBJECT VALUE", several of a kind: their median is taken

function sorted_into(list, n,    i, j, v)
{
	for (i = 2; i <= n; i++) {
		v = list[i]
		for (j = i - 1; j >= 1 && list[j] > v; j--)
			list[j + 1] = list[j]
		list[j + 1] = v
	}
}

function settle(key,    i, list, parts, n)
{
	n = split(values[key], parts, " ")
	for (i = 1; i <= n; i++)
		list[i] = parts[i] + 0
	sorted_into(list, n)
	median[key] = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
	spread[key] = median[key] ? (list[n] - list[1]) / median[key] * 100 : 0
}

# "a>=0.97*b": reached?
function judge(work, goal,    op, at, subject, rest, factor, reference, have, want, ratio)
{
	op = index(goal, ">=") ? ">=" : "<="
	at = index(goal, op)
	subject = substr(goal, 1, at - 1)
	rest = substr(goal, at + 2)
	at = index(rest, "*")
	factor = substr(rest, 1, at - 1)
	reference = substr(rest, at + 1)
	if (!((work, subject) in median) || !((work, reference) in median)) {
		printf "  ?    %s: %s or %s was not measured\n", goal, subject, reference
		missed++
		return
	}
	have = median[work, subject]
	want = median[work, reference]
	ratio = want ? have / want : 0
	if (op == ">=" ? have >= factor * want : have <= factor * want) {
		printf "  ok   %s is at %.3f x of %s (%s %s)\n", subject, ratio, reference, op, factor
	} else {
		printf "  MISS %s is at %.3f x of %s (%s %s)\n", subject, ratio, reference, op, factor
		missed++
	}
}

function escaped(text)
{
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	return text
}

# One bar for each subject, a group for each work.
function draw(    i, j, y, work, top, n, subject, width)
{
	y = 20
	for (i = 1; i <= nr_works; i++)
		y += 34 + 18 * nr_subjects[order[i]]
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", y >svg
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>" >svg
	y = 24
	for (i = 1; i <= nr_works; i++) {
		work = order[i]
		n = nr_subjects[work]
		top = 0
		for (j = 1; j <= n; j++)
			if (median[work, subjects[work, j]] > top)
				top = median[work, subjects[work, j]]
		printf "<text x=\"10\" y=\"%d\" font-weight=\"bold\">%s (%s)</text>\n", y, escaped(what[work]), unit[work] >svg
		y += 8
		for (j = 1; j <= n; j++) {
			subject = subjects[work, j]
			width = top ? median[work, subject] / top * 480 : 0
			printf "<text x=\"10\" y=\"%d\">%s</text>", y + 13, escaped(subject) >svg
			printf "<rect x=\"150\" y=\"%d\" width=\"%.1f\" height=\"14\" fill=\"%s\"/>", y + 2, width, is_ours[subject] ? "#2a6f97" : "#b8b8b8" >svg
			printf "<text x=\"%.1f\" y=\"%d\">%.4g</text>\n", 156 + width, y + 13, median[work, subject] >svg
			y += 18
		}
		y += 26
	}
	print "</svg>" >svg
	close(svg)
}

BEGIN {
	split("copying synced switched committed livemigrate", ours, " ")
	for (i in ours)
		is_ours[ours[i]] = 1
}

FNR == NR {
	work = $2
	order[++nr_works] = work
	unit[work] = $3
	goals[work] = $4
	line = $0
	sub(/^[^ \t]+[ \t]+[^ \t]+[ \t]+[^ \t]+[ \t]+[^ \t]+[ \t]+/, "", line)
	what[work] = line
	next
}

{
	key = $2 SUBSEP $3
	if (!(key in values))
		subjects[$2, ++nr_subjects[$2]] = $3
	values[key] = values[key] $4 " "
}

END {
	print "work,subject,unit,median,spread_percent,values" >csv
	for (i = 1; i <= nr_works; i++) {
		work = order[i]
		if (!nr_subjects[work])
			continue
		printf "\n%s: %s, %s\n", work, what[work], unit[work]
		for (j = 1; j <= nr_subjects[work]; j++) {
			key = work SUBSEP subjects[work, j]
			settle(key)
			printf "  %-14s %12.6g   +-%.1f %%\n", subjects[work, j], median[key], spread[key] / 2
			printf "%s,%s,%s,%.10g,%.2f,%s\n", work, subjects[work, j], unit[work], median[key], spread[key], values[key] >csv
		}
		n = goals[work] == "-" ? 0 : split(goals[work], goal, ",")
		for (j = 1; j <= n; j++)
			judge(work, goal[j])
	}
	close(csv)
	draw()
	if (missed)
		printf "\n%d goals are not reached.\n", missed
}
