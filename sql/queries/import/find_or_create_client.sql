-- The client of that name, created if there is none. Parameters: name text. Result: its id.
WITH known AS (
    SELECT id FROM public.clients WHERE name = :name
),
created AS (
    INSERT INTO public.clients (name)
    SELECT CAST(:name AS text) WHERE NOT EXISTS (SELECT FROM known)
    RETURNING id
)
SELECT id FROM known UNION ALL SELECT id FROM created
