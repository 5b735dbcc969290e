# First start only, read by the image's entrypoint. MYSQL_DATABASE, its user and password exist by now; this adds the
# database of Celery's results, and makes both utf8mb4 whatever the server's default.
# Sourced, not run: `docker_process_sql` is not everywhere, so the client is called itself.

gale_sql() {
    MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --protocol=socket --user=root "$@"
}

gale_sql <<SQL
ALTER DATABASE \`$MYSQL_DATABASE\` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;
CREATE DATABASE IF NOT EXISTS \`$RESULTS_DATABASE\` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;
GRANT ALL ON \`${RESULTS_DATABASE//_/\\_}\`.* TO '$MYSQL_USER'@'%';
SQL
