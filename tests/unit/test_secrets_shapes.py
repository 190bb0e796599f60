"""What is a secret and what is none: a table of both. No value here is or ever was a real key."""

from __future__ import annotations

import pytest

from runwrap.secrets import shapes, signs
from runwrap.secrets.firewall import Firewall

HEX40 = "3f9a1c7be2d84f60a5b7c9d1e3f50718293a4b5c"
B36 = "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4"
UPPER16 = "QX7JZ2ABCDEF34GH"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM_LINES = "MIIEpAIBAAKCAQEA7bq3n9Jx0PlYw8\nkQm2vT5cR1uZ6sD4fG8hJ0kL3zX7\n"


def joined(*parts: str) -> str:
    """Put a key together here, so that nobody who scans this file finds one."""
    return "".join(parts)


SECRETS = [
    ("AWS key", joined("AKIA", UPPER16)),
    ("AWS key", joined("ASIA", UPPER16)),
    ("AWS key", joined("AKIA", "IOSFODNN7EXAMPLE")),
    ("Google API key", joined("AIza", "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY")),
    ("Google token", joined("ya29.", "a0AfH6SMBx7Qm2vT5cR1uZ6sD4")),
    ("Google token", joined("GOCSPX-", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8t")),
    ("Azure key", joined("AccountKey=", "aB3dE5fG7hI9jK1lM2nO" * 4, "pQ6rS8==")),
    ("Azure key", joined("SharedAccessKey=", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4zA6bC8d", "=")),
    ("Azure signature", joined("https://x.blob.core.windows.net/c?sv=2021&sig=", B36, "aB3dE5f%3D")),
    ("Azure secret", joined("abC8Q~", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2x")),
    ("GitHub token", joined("ghp_", B36)),
    ("GitHub token", joined("gho_", B36)),
    ("GitHub token", joined("ghu_", B36)),
    ("GitHub token", joined("ghs_", B36)),
    ("GitHub token", joined("ghr_", B36)),
    ("GitHub token", joined("github_pat_", "11AAAAAAA0aB3dE5fG7hI9", "_", B36, "aB3dE5fG7hI9jK1lM2nO4pQ")),
    ("GitLab token", joined("glpat-", "aB3dE5fG7hI9jK1lM2nO")),
    ("GitLab token", joined("gldt-", "aB3dE5fG7hI9jK1lM2nO")),
    ("GitLab token", joined("glrt-", "aB3dE5fG7hI9jK1lM2nO")),
    ("GitLab token", joined("glptt-", HEX40)),
    ("GitLab token", joined("glcbt-", "64_aB3dE5fG7hI9jK1lM2nO")),
    ("Anthropic key", joined("sk-ant-", "api03-", B36, B36, "AA")),
    ("Anthropic key", joined("sk-ant-", "admin01-", B36, "-xYzAA")),
    ("OpenAI key", joined("sk-", "aB3dE5fG7hI9jK1lM2nO", "T3BlbkFJ", "aB3dE5fG7hI9jK1lM2nO")),
    ("OpenAI key", joined("sk-", "proj-", B36, "_", B36)),
    ("OpenAI key", joined("sk-", "svcacct-", B36)),
    ("OpenAI key", joined("sk-", "3f9a1c7be2d84f60a5b7c9d1e3f50718")),
    ("API key", joined("sk-or-", "v1-", "3f9a1c7be2d84f60a5b7c9d1e3f50718" * 2)),
    ("API key", joined("sk-lf-", "0f8fad5b-d9cb-469f-a165-70867728950e")),
    ("API key", joined("gsk_", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4aB3dE5fG7hI9jK1l")),
    ("API key", joined("nvapi-", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4aB3dE5fG7hI9jK1lM2nO4pQ6rS8t")),
    ("API key", joined("r8_", B36, "a")),
    ("Hugging Face token", joined("hf_", "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH")),
    ("Hugging Face token", joined("hf_", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2x")),
    ("Slack token", joined("xoxb-", "123456789012-123456789012-aB3dE5fG7hI9jK1lM2nO4pQ6")),
    ("Slack token", joined("xoxp-", "1234567890-1234567890-abcdef")),
    ("Slack token", joined("xapp-", "1-A012BCDEF3G-1234567890123-", HEX40)),
    (
        "Slack webhook",
        joined("https://hooks.slack.com/services/", "T012AB3CD/B012AB3CD/aB3dE5fG7hI9jK1lM2nO4pQ6"),
    ),
    ("Stripe key", joined("sk_live_", "aB3dE5fG7hI9jK1lM2nO4pQ6")),
    ("Stripe key", joined("rk_test_", "aB3dE5fG7hI9jK1lM2nO4pQ6")),
    ("Stripe key", joined("whsec_", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW")),
    ("npm token", joined("npm_", B36)),
    ("PyPI token", joined("pypi-", "AgEIcHlwaS5vcmc", B36, B36, B36)),
    ("Docker token", joined("dckr_pat_", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8")),
    ("DigitalOcean token", joined("dop_v1_", "3f9a1c7be2d84f60a5b7c9d1e3f50718" * 2)),
    ("Databricks token", joined("dapi", "3f9a1c7be2d84f60a5b7c9d1e3f50718")),
    (
        "SendGrid key",
        joined("SG.", "aB3dE5fG7hI9jK1lM2nO4p", ".", "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4zA6bC8d"),
    ),
    (
        "Neptune token",
        joined("eyJhcGlfYWRkcmVzcyI", "6Imh0dHBzOi8vYXBwLm5lcHR1bmUuYWkiLCJhcGlfa2V5IjoiMTIzIn0="),
    ),
    ("JWT", JWT),
    ("bearer token", f"Authorization: Bearer {B36}"),
    ("bearer token", "authorization: bearer 0f8fad5bd9cb469f"),
    ("password", "Authorization: Basic dXNlcjpodW50ZXIyMTIz"),
    ("wandb key", f"WANDB_LOGIN {HEX40}"),
    ("wandb key", f"wandb login {HEX40}"),
    ("wandb key", f'wandb.login(key="{HEX40}")'),
    ("wandb key", f"machine api.wandb.ai login user password {HEX40}"),
    ("password in URL", "https://bob:hunter2@example.org/x.git"),
    ("password in URL", "postgresql+psycopg://app:s3cr3t@db:5432/runs"),
    ("password in URL", "redis://:hunter22@cache:6379/0"),
    ("password in URL", "https://x-access-token:abc@github.com/a/b"),
    ("password in URL", "amqp://u:p@ss@host/vhost"),
    ("private key", f"-----BEGIN RSA PRIVATE KEY-----\n{PEM_LINES}-----END RSA PRIVATE KEY-----"),
    ("private key", f"-----BEGIN PRIVATE KEY-----\n{PEM_LINES}-----END PRIVATE KEY-----"),
    ("private key", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{PEM_LINES}-----END OPENSSH PRIVATE KEY-----"),
    ("private key", f"+-----BEGIN EC PRIVATE KEY-----\n+{PEM_LINES}"),  # cut off
    (
        "private key",
        "-----BEGIN PRIVATE KEY-----\\n" + PEM_LINES.replace("\n", "\\n") + "-----END PRIVATE KEY-----",
    ),
    ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzLLsKEY"),
    ("DB_PASSWORD", '+DB_PASSWORD = "hunter2-hunter2"'),
    ("api_key", '"api_key": "0a1b2c3d4e5f"'),
    ("api_key", "api_key: 0a1b2c3d4e5f"),
    ("api-key", "python x.py --api-key 0a1b2c3d4e5f"),
    ("password", "mysql --password=s3cretpassword1 db"),
    ("client_secret", "client_secret='0a1b2c3d4e5f'"),
    ("access_token", "https://x.example/?access_token=0a1b2c3d4e5f&x=1"),
]
NONE = [
    *(
        "",
        " ",
        "a",
        "loss 0.25 acc 0.9",
        "epoch 3/10: 100%|#####| 5/5",
        "ünïcödé \U0001f511",
        "\x00\x1b[31mred",
    ),
    HEX40,
    f"commit {HEX40}",
    f"index {HEX40}..{HEX40} 100644",
    "8f8cbb7dcf46e0bc7d53265749a6c17d116093a6ba95e442764060c76fd4a86c",
    "sha256:8f8cbb7dcf46e0bc7d53265749a6c17d116093a6ba95e442764060c76fd4a86c",
    "md5 d41d8cd98f00b204e9800998ecf8427e",
    "sha512-aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4aB3dE5fG7hI==",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    *("1n5wr9q7k2t4m", "wandb/run-20240101_120000-3f9a1c7b", "3f9a1c7b", "wandb: Syncing run brave-otter-42"),
    f"wandb: resumed at commit {HEX40}",
    f"wandb artifact digest {HEX40}",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "zcmb?Us8Jm00009a7bBm000ie000ie0hKEb8vp<R",
    *("sk-learn", "sk-learn-1.5.0", "scikit-learn==1.5.0", "task-0123456789abcdef0123456789abcdef0123"),
    *("disk-usage", "sk-image", "mask-rcnn-resnet50-fpn-coco-2017-pretrained-v2", "sk-" + "a" * 40),
    *("hf_hub", "hf_hub_download", "hf_transfer", "hf_model_name_or_path", "hf_" + "a" * 34, "xhf_abcdefg"),
    *("npm_config_cache", "npm_package_name", "npm_lifecycle_event", "pypi-server", "pypi-AgX"),
    *("AKIA", "AKIAX", "AKIABCDEFGHIJKLMNOPQRSTUVWXYZ", "ASIAN MARKETS", "xAKIAQX7JZ2ABCDEF34GH"),
    *("AIza", "AIzaShort", "ghp_", "ghp_short", "ghs_count", "github_pat_", "glpat-", "gldt-model"),
    *(
        "xoxo",
        "xoxb-",
        "xox",
        "foxb-1234567890",
        "r8_quantized",
        "gsk_",
        "nvapi-test",
        "dapid",
        "SG.1",
        "whsec_",
    ),
    *("eyJ", "eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9.x.y", "keyJoin.eyJoin.x"),
    *("bearer of bad news", "Bearer <token>", "Bearer $TOKEN", "the basic idea", "Basic block 12345678"),
    *("/home/user/.ssh/id_rsa", "--key-file /etc/ssl/private/server.key", "s3://bucket/ckpt/model-0001.pt"),
    *("https://example.org/a?b=c", "http://localhost:8080/path@v2", "https://user@example.org/x"),
    *("git@github.com:a/b.git", "ssh://git@github.com/a/b", "https://${USER}:${TOKEN}@example.org"),
    *('f"postgres://{user}:{password}@{host}"', "http://[::1]:8080/", "mailto:a@b.c", "user@host:path"),
    "https://<user>:<password>@example.org",
    "-----BEGIN RSA PRIVATE KEY-----",
    'if "-----BEGIN PRIVATE KEY-----" in text: raise',
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7bq3n9Jx0PlYw8\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQG\n-----END CERTIFICATE-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bob@host",
    *(
        "tokenizer = AutoTokenizer.from_pretrained(name)",
        'tokenizer="bert-base-uncased-v2"',
        "max_tokens=4096000000",
    ),
    *("pad_token = '<pad>'", 'eos_token="<|endoftext|>"', "num_tokens: 12345678901", "tokens/s=12345678"),
    *(
        "key=lambda x: x[1]",
        "sort_key = 'metric_1_name'",
        'primary_key="user_id_2"',
        "KeyError: 'loss_12345678'",
    ),
    *("keyboard=de-latin1-nodeadkeys", "monkey=capuchin2000", "hotkey: ctrl+shift+p12345"),
    *(
        "password = os.environ['DB_PASSWORD_2']",
        "password=args.password2x",
        "secret = get_secret('name-1234567')",
    ),
    *(
        "api_key = config.api_key_v2",
        "api_key=self.api_key1234",
        "password: str",
        "password: Optional[str] = None",
    ),
    *('password="password"', "password=changeme", 'api_key = "your-api-key-1234"', 'api_key="xxxxxxxxxxxx1"'),
    *("token_type=bearer_12345678", "password_file=/run/secrets/db1", "secret_name=projects/x/secrets/y1"),
    *("passed=12345678abc", "passes: 1234abcd5678", "bypass=0a1b2c3d4e5f", "compass: 0a1b2c3d4e5f"),
    *(
        "--password is needed",
        "the password was wrong 12345678",
        "token 12345678abcdef expected",
        "secret santa 2024",
    ),
    *("api_key=$API_KEY_12345", "api_key: ${{ secrets.API_KEY_1 }}", "password: {{ db_password_1 }}"),
    *("[masked: GitHub token]", "password=[masked: password]", "https://[masked: password in URL]@x/y"),
    *(
        "sig=abc",
        "signature=3f9a1c7be2d84f60",
        "config=path/to/some/very/long/name/of/a/file/that/goes/on.yaml",
    ),
    *("cuda_v1_0", "resnet50_v1_5", "inception_v1_3f9a1c7b", "Qwen/Qwen2.5-7B-Instruct", "gpt-4o-2024-08-06"),
]


@pytest.mark.parametrize(("kind", "text"), SECRETS, ids=lambda part: part[:24])
def test_a_secret_is_masked_wherever_it_stands_and_its_kind_is_told(kind: str, text: str) -> None:
    for around in ("{}", "x {} y", "({})", "a\n{}\nb", "ü: {}\t."):
        firewall = Firewall({})
        masked = firewall.text(around.format(text))
        assert f"[masked: {kind}]" in masked
        assert firewall.counts == {kind: 1}


@pytest.mark.parametrize("text", NONE, ids=lambda part: part[:24])
def test_what_is_no_secret_stays(text: str) -> None:
    for around in ("{}", "x {} y", "({})", "a\n{}\nb"):
        firewall = Firewall({})
        assert firewall.text(around.replace("{}", text)) == around.replace("{}", text)
        assert firewall.counts == {}


def test_the_table_is_large() -> None:
    assert len(SECRETS) >= 60
    assert len(NONE) >= 100


def test_a_mask_leaves_what_stands_around_the_secret() -> None:
    masked = Firewall({}).text(
        f"git clone https://bob:hunter2@example.org/x.git && echo {joined('ghp_', B36)}!"
    )
    assert (
        masked
        == "git clone https://[masked: password in URL]@example.org/x.git && echo [masked: GitHub token]!"
    )


def test_every_shape_has_a_cheap_sign() -> None:
    assert {sign for _, shown, _ in shapes.RULES for sign in shown} == set(signs.SIGNS) - {"PRIVATE KEY"}
    assert {sign for _, sign, _ in shapes.LOOSE_RULES} == set(signs.SMALL_SIGNS)
