-- Shows what the meters have.

return levels({})
