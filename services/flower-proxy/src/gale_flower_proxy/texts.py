"""What people read, in English and 简体中文."""

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final = ("en", "zh")

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "lang": "en",
        "sign_in_title": "Sign in · Flower",
        "sign_in": "Sign in",
        "about": "Flower shows the workers of this Gale. Sign in as on Gale's own page; one login serves both.",
        "username": "User name",
        "password": "Password",
        "other_language": "简体中文",
        "bad_login": "The user name or the password is wrong.",
        "from_elsewhere": "Another site tried to sign you in. Sign in on this page.",
        "sign_out_title": "Sign out · Flower",
        "sign_out": "Sign out",
        "signed_in_as": "You are signed in as {username} ({role}).",
        "back": "Back to Flower",
        "away_title": "Flower is not running",
        "away": "Flower is starting, or has ended and is being started again. This page looks again by itself.",
        "denied_title": "Not allowed",
        "denied": "Your role ({role}) may not do this in Flower. Viewers and Users look; Op and Admin act. Nobody "
        "starts tasks here: in Gale only the scheduler does. An Admin can give you another role.",
        "not_found_title": "Nothing here",
        "not_found": "Flower is served under {prefix}/.",
    },
    "zh": {
        "lang": "zh-CN",
        "sign_in_title": "登录 · Flower",
        "sign_in": "登录",
        "about": "Flower 显示这个 Gale 的 worker。用户名和密码与 Gale 页面相同，登录一次，两处都能用。",
        "username": "用户名",
        "password": "密码",
        "other_language": "English",
        "bad_login": "用户名或密码不正确。",
        "from_elsewhere": "别的网站试图替您登录。请在本页面登录。",
        "sign_out_title": "退出登录 · Flower",
        "sign_out": "退出登录",
        "signed_in_as": "您已登录：{username}（{role}）。",
        "back": "返回 Flower",
        "away_title": "Flower 没有运行",
        "away": "Flower 正在启动，或者已经结束、正在重新启动。本页面会自动刷新。",
        "denied_title": "没有权限",
        "denied": "您的角色（{role}）不能在 Flower 中执行此操作。Viewer 和 User 只能查看，Op 和 Admin 可以操作。"
        "任何人都不能在这里启动任务：在 Gale 中只有调度器可以。Admin 可以给您换一个角色。",
        "not_found_title": "这里什么也没有",
        "not_found": "Flower 的地址是 {prefix}/。",
    },
}
