/* SPDX-License-Identifier: BSD-2-Clause */
/* Policy rules. None is followed but the rules that every system has, which say what we do anyway:
 * look in table local, then in main. All are kept, so that what is said of them stays true. */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "replica.h"

struct rule {
	LIST_ENTRY(rule) of_replica;
	struct nl_rule is;
	uint32_t generation;
	bool said;
};

/* The rules that are missed when they are gone. */
static const struct {
	uint32_t priority, table;
	const char *name;
} defaults[] = {
	{0, RT_TABLE_LOCAL, "local"},
	{32766, RT_TABLE_MAIN, "main"},
};
#define N_DEFAULTS (sizeof(defaults) / sizeof(defaults[0]))

static bool rule_is(const struct nl_rule *rule, uint32_t priority, uint32_t table)
{
	return rule->plain && rule->action == FR_ACT_TO_TBL && rule->priority == priority &&
	       rule->table == table;
}

static bool rule_is_followed(const struct nl_rule *rule)
{
	for (unsigned i = 0; i < N_DEFAULTS; i++)
		if (rule_is(rule, defaults[i].priority, defaults[i].table))
			return true;
	return rule_is(rule, 32767, RT_TABLE_DEFAULT); /* with nothing in it, as a rule */
}

static struct rule *rule_find(const struct replica *r, const struct nl_rule *like)
{
	struct rule *rule;

	LIST_FOREACH(rule, &r->rules, of_replica)
	if (rule->is.id == like->id)
		return rule;
	return NULL;
}

static void rule_add(struct replica *r, const struct nl_rule *is)
{
	struct rule *rule = calloc(1, sizeof(*rule));

	if (!rule) {
		replica_no_memory(r);
		return;
	}
	rule->is = *is;
	rule->generation = r->generation[NL_RULE];
	LIST_INSERT_HEAD(&r->rules, rule, of_replica);
	if (rule_is_followed(is))
		return;
	r->stats.unsupported++;
	if (is->family == AF_INET)
		routes_split4(r);
	if (r->n_rules_said >= REPLICA_SAID_MAX)
		return;
	rule->said = true;
	r->n_rules_said++;
	replica_say(r,
		    "%s rule %s is not followed: packets are forwarded by the tables local and "
		    "main alone",
		    replica_family_name(is->family), is->text);
	if (r->n_rules_said == REPLICA_SAID_MAX)
		replica_say(r, "more rules that are not followed are in: peerlane show sync");
}

static void rule_free(struct replica *r, struct rule *rule)
{
	if (!rule_is_followed(&rule->is))
		r->stats.unsupported--;
	else if (rule->is.family == AF_INET)
		routes_split4(r);
	if (rule->said) {
		r->n_rules_said--;
		replica_say(r, "%s rule %s, which was not followed, is gone",
			    replica_family_name(rule->is.family), rule->is.text);
	}
	LIST_REMOVE(rule, of_replica);
	free(rule);
}

static bool default_there(const struct replica *r, uint8_t family, unsigned i)
{
	struct rule *rule;

	LIST_FOREACH(rule, &r->rules, of_replica)
	if (rule->is.family == family &&
	    rule_is(&rule->is, defaults[i].priority, defaults[i].table))
		return true;
	return false;
}

static bool family_has_rules(const struct replica *r, uint8_t family)
{
	struct rule *rule;

	LIST_FOREACH(rule, &r->rules, of_replica)
	if (rule->is.family == family)
		return true;
	return false;
}

/* Says which of the rules that we act upon the kernel has no more. A family without any rule is one
 * that the kernel was built without, or without rules: its tables are fixed. */
static void check_defaults(struct replica *r, uint8_t family, enum note note)
{
	bool complete = true;

	if (!family_has_rules(r, family))
		return;
	for (unsigned i = 0; i < N_DEFAULTS; i++) {
		if (default_there(r, family, i))
			continue;
		complete = false;
		replica_note(r, note,
			     "the %s rule %u, \"lookup %s\", is gone: packets are forwarded by "
			     "that table all the same",
			     replica_family_name(family), defaults[i].priority, defaults[i].name);
	}
	if (complete)
		r->noted[note] = false;
}

static void check_all_defaults(struct replica *r)
{
	check_defaults(r, AF_INET, NOTE_NO_RULE4);
	check_defaults(r, AF_INET6, NOTE_NO_RULE6);
}

void rule_apply(struct replica *r, const struct nl_message *msg)
{
	struct rule *rule = rule_find(r, &msg->rule);

	if (rule && msg->del)
		rule_free(r, rule);
	else if (rule)
		rule->generation = r->generation[NL_RULE];
	else if (!msg->del)
		rule_add(r, &msg->rule);
	if (!r->dumping)
		check_all_defaults(r);
}

void rules_sweep(struct replica *r)
{
	struct rule *rule, *next;

	for (rule = LIST_FIRST(&r->rules); rule; rule = next) {
		next = LIST_NEXT(rule, of_replica);
		if (rule->generation != r->generation[NL_RULE])
			rule_free(r, rule);
	}
	check_all_defaults(r);
}

/* The missing ones of a family that has others. */
static bool tell_missing(const struct replica *r, uint8_t family, unfollowed_fn *fn, void *ctx)
{
	for (unsigned i = 0; i < N_DEFAULTS && family_has_rules(r, family); i++) {
		struct mirror_unfollowed u = {.family = family};

		if (default_there(r, family, i))
			continue;
		snprintf(u.text, sizeof(u.text), "no rule %u: from all lookup %s",
			 defaults[i].priority, defaults[i].name);
		if (!fn(ctx, &u))
			return false;
	}
	return true;
}

bool rules_each_unfollowed(const struct replica *r, unfollowed_fn *fn, void *ctx)
{
	const struct rule *rule;

	LIST_FOREACH(rule, &r->rules, of_replica)
	{
		struct mirror_unfollowed u = {.family = rule->is.family};

		if (rule_is_followed(&rule->is))
			continue;
		snprintf(u.text, sizeof(u.text), "rule %s", rule->is.text);
		if (!fn(ctx, &u))
			return false;
	}
	return tell_missing(r, AF_INET, fn, ctx) && tell_missing(r, AF_INET6, fn, ctx);
}

void rules_fini(struct replica *r)
{
	struct rule *rule;

	while ((rule = LIST_FIRST(&r->rules))) {
		LIST_REMOVE(rule, of_replica);
		free(rule);
	}
}
