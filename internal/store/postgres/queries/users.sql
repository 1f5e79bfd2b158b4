-- name: User :one
SELECT * FROM users WHERE id = @id;

-- name: UserBySubject :one
SELECT * FROM users WHERE issuer = @issuer AND subject = @subject;

-- name: InsertUser :execrows
INSERT INTO users (id, issuer, subject, email, first_name, last_name, image_url, created_at)
VALUES (@id, @issuer, @subject, @email, @first_name, @last_name, @image_url, @created_at) ON CONFLICT DO NOTHING;

-- name: UpdateUser :execrows
UPDATE users SET email = @email, first_name = @first_name, last_name = @last_name, image_url = @image_url WHERE id = @id;
