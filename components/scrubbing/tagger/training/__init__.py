"""How the shipped tagger is made: readers, generators, fitting, measuring. Needs the extra ``tagger`` and torch."""
