-- Makes a user of a local database an analyst of a client, unless the user is a member already.
-- Parameters: client_id uuid; user_id uuid.
INSERT INTO public.client_members (client_id, user_id, role)
VALUES (:client_id, :user_id, 'analyst')
ON CONFLICT DO NOTHING
