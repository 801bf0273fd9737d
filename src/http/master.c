/*
 * The process that people and systemd see: holds the socket, forks workers,
 * and waits for signals. It never touches a request or the database, so
 * that nothing a client sends can hurt it.
 */
#include "http/master.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "http/shared.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG	       1024
#define SOCKET_MODE    0660
#define SYSTEMD_FD     3
#define WORKERS_MAX    64
#define PROCESSES_MAX  (3 * WORKERS_MAX) /* draining ones included */
#define TICK_US	       (US_PER_SECOND / 10)
#define KILL_AFTER_US  (10 * US_PER_SECOND)
#define BACKOFF_MIN_US (US_PER_SECOND / 5)
#define BACKOFF_MAX_US (5 * US_PER_SECOND)

struct process {
	pid_t pid; /* 0: free */
	int64_t started_us;
	int64_t kill_us; /* 0: serving; else draining, to be killed then */
};

struct master {
	const struct master_setup *setup;
	int socket;
	bool own_socket;
	ino_t inode; /* of the socket file that we made */
	struct process processes[PROCESSES_MAX];
	int64_t backoff_us;
	int64_t spawn_us; /* no new worker before */
	bool stopping;
	sigset_t signals;
};

/* systemd passes one socket as fd 3 to the process it names. */
static bool socket_from_systemd(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int64_t value, count;

	if (pid == NULL || fds == NULL ||
	    !parse_i64(pid, 1, INT32_MAX, &value) || value != getpid() ||
	    !parse_i64(fds, 0, 64, &count) || count != 1)
		return false;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return true;
}

/* True when nobody listens at the address: free, or left by a dead one. */
static bool is_free(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;
	bool refused;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode)) {
		errno = ENOTSOCK;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)address,
			  sizeof(*address)) != 0 &&
		  (errno == ECONNREFUSED || errno == ENOENT);
	close(fd);
	if (!refused)
		errno = EADDRINUSE;
	return refused;
}

/* Listens under another name first, so that the path never lacks a server. */
static int listen_at(const char *path, ino_t *ret_inode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct sockaddr_un temporary = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, len;

	len = snprintf(temporary.sun_path, sizeof(temporary.sun_path), "%s.%d",
		       path, (int)getpid());
	if (len < 0 || (size_t)len >= sizeof(temporary.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (!is_free(&address))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	unlink(temporary.sun_path);
	if (bind(fd, (struct sockaddr *)&temporary, sizeof(temporary)) != 0 ||
	    chmod(temporary.sun_path, SOCKET_MODE) != 0 ||
	    listen(fd, BACKLOG) != 0 || stat(temporary.sun_path, &st) != 0 ||
	    rename(temporary.sun_path, path) != 0) {
		int saved = errno;

		unlink(temporary.sun_path);
		close(fd);
		errno = saved;
		return -1;
	}
	*ret_inode = st.st_ino;
	return fd;
}

static bool open_socket(struct master *m)
{
	const char *path = m->setup->socket;

	if (socket_from_systemd()) {
		m->socket = SYSTEMD_FD;
		return true;
	}
	if (path == NULL) {
		log_write(LOG_ERROR, "no_socket",
			  "RETIVO_SOCKET is not set and systemd gave none");
		return false;
	}
	m->socket = listen_at(path, &m->inode);
	m->own_socket = m->socket >= 0;
	if (!m->own_socket)
		log_write(LOG_ERROR, "listen_failed", "path=%s errno=%d (%s)",
			  path, errno, strerror(errno));
	return m->own_socket;
}

/* No new connections; workers then serve those that wait already. */
static void remove_socket(const struct master *m)
{
	struct stat st;

	if (m->own_socket && lstat(m->setup->socket, &st) == 0 &&
	    st.st_ino == m->inode)
		unlink(m->setup->socket);
}

static int64_t wanted_workers(const struct master *m)
{
	int64_t count = m->setup->workers(m->setup->ctx);

	if (count < 1)
		return 1;
	return count < WORKERS_MAX ? count : WORKERS_MAX;
}

static NORETURN void be_worker(const struct master *m, pid_t parent)
{
	/* A killed master leaves no worker behind. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	sigprocmask(SIG_UNBLOCK, &m->signals, NULL);
	exit(m->setup->work(m->socket, m->setup->ctx));
}

static bool spawn(struct master *m)
{
	struct process *free_place = NULL;
	pid_t parent = getpid(), pid;

	for (size_t i = 0; i < PROCESSES_MAX && free_place == NULL; i++)
		if (m->processes[i].pid == 0)
			free_place = &m->processes[i];
	if (free_place == NULL)
		return false;
	pid = fork();
	if (pid == 0)
		be_worker(m, parent);
	if (pid < 0) {
		log_write(LOG_ERROR, "fork_failed", "errno=%d", errno);
		m->spawn_us = clock_monotonic() + US_PER_SECOND;
		return false;
	}
	*free_place =
	    (struct process){ .pid = pid, .started_us = clock_monotonic() };
	return true;
}

static int64_t count_serving(const struct master *m)
{
	int64_t count = 0;

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (m->processes[i].pid != 0 && m->processes[i].kill_us == 0)
			count++;
	return count;
}

static bool has_draining(const struct master *m)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (m->processes[i].pid != 0 && m->processes[i].kill_us != 0)
			return true;
	return false;
}

/* A worker that nobody told to end has ended. */
static void note_death(struct master *m, const struct process *p, int status)
{
	int64_t now = clock_monotonic();

	log_write(LOG_WARN, "worker_died", "pid=%d status=%d signal=%d",
		  (int)p->pid, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		  WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	if (now - p->started_us > US_PER_SECOND) {
		m->backoff_us = 0;
		return;
	}
	m->backoff_us = m->backoff_us == 0 ? BACKOFF_MIN_US : 2 * m->backoff_us;
	if (m->backoff_us > BACKOFF_MAX_US)
		m->backoff_us = BACKOFF_MAX_US;
	m->spawn_us = now + m->backoff_us;
}

static void reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		shared_clear_pid(pid);
		for (size_t i = 0; i < PROCESSES_MAX; i++) {
			struct process *p = &m->processes[i];

			if (p->pid != pid)
				continue;
			if (p->kill_us == 0)
				note_death(m, p, status);
			*p = (struct process){ 0 };
		}
	}
}

static void drain_all(struct master *m)
{
	int64_t kill_us = clock_monotonic() + KILL_AFTER_US;

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (m->processes[i].pid != 0 && m->processes[i].kill_us == 0)
			m->processes[i].kill_us = kill_us;
}

static void signal_draining(const struct master *m)
{
	int64_t now = clock_monotonic();

	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		const struct process *p = &m->processes[i];

		if (p->pid == 0 || p->kill_us == 0)
			continue;
		if (now >= p->kill_us)
			log_write(LOG_WARN, "worker_killed", "pid=%d",
				  (int)p->pid);
		kill(p->pid, now >= p->kill_us ? SIGKILL : SIGTERM);
	}
}

static void spawn_missing(struct master *m)
{
	if (m->stopping || clock_monotonic() < m->spawn_us)
		return;
	while (count_serving(m) < wanted_workers(m))
		if (!spawn(m))
			return;
}

static void handle_signal(struct master *m, int number)
{
	switch (number) {
	case SIGTERM:
	case SIGINT:
		if (!m->stopping) {
			log_write(LOG_INFO, "master_stopping", "signal=%d",
				  number);
			remove_socket(m);
		}
		m->stopping = true;
		drain_all(m);
		break;
	case SIGHUP:
		if (m->stopping || !m->setup->reload(m->setup->ctx))
			break;
		log_write(LOG_INFO, "master_reloaded", "workers=%lld",
			  (long long)wanted_workers(m));
		shared_set_workers(wanted_workers(m));
		m->backoff_us = m->spawn_us = 0;
		drain_all(m);
		break;
	default: /* SIGCHLD, or the time ran out */
		break;
	}
}

/* Until a signal comes, or something is to be done at a certain time. */
static int wait_signal(const struct master *m)
{
	int64_t wait_us = 60 * US_PER_SECOND;
	struct timespec timeout;

	if (!m->stopping && count_serving(m) < wanted_workers(m))
		wait_us = m->spawn_us - clock_monotonic();
	if (has_draining(m) && wait_us > TICK_US)
		wait_us = TICK_US;
	if (wait_us < US_PER_SECOND / 100)
		wait_us = US_PER_SECOND / 100;
	timeout.tv_sec = wait_us / US_PER_SECOND;
	timeout.tv_nsec = wait_us % US_PER_SECOND * 1000;
	return sigtimedwait(&m->signals, NULL, &timeout);
}

static void block_signals(struct master *m)
{
	sigemptyset(&m->signals);
	sigaddset(&m->signals, SIGTERM);
	sigaddset(&m->signals, SIGINT);
	sigaddset(&m->signals, SIGHUP);
	sigaddset(&m->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m->signals, NULL);
}

int master_run(const struct master_setup *setup)
{
	struct master m = { .setup = setup, .socket = -1 };

	block_signals(&m);
	if (!shared_init() || !open_socket(&m))
		return 1;
	shared_set_workers(wanted_workers(&m));
	log_write(LOG_INFO, "master_started", "pid=%d workers=%lld",
		  (int)getpid(), (long long)wanted_workers(&m));
	while (!m.stopping || has_draining(&m)) {
		spawn_missing(&m);
		handle_signal(&m, wait_signal(&m));
		reap(&m);
		signal_draining(&m);
	}
	close(m.socket);
	log_write(LOG_INFO, "master_stopped", "pid=%d", (int)getpid());
	return 0;
}
