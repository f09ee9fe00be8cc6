-- The views of ours that read a table of schema public. Result: name with its schema, quoted.
SELECT name
FROM eventflow_stats.present_objects
WHERE EXISTS (SELECT FROM unnest(reads) AS relation WHERE relation LIKE 'public.%')
ORDER BY 1
