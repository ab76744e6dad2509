"""The default roles as data: one line a rule, `verbs | groups | resources | names`, or `verbs | url | paths`."""
