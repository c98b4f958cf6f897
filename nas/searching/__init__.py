"""The search: ask -> cost -> train -> tell, by one worker or by many. (`nas.search` is the function.)"""
