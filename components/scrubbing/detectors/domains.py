"""Top-level domains, by how sure they make that a word with dots is a host."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The most used generic ones (ICANN).
_GENERIC = _words(
    """
    com org net edu gov mil int info biz name pro aero coop museum app dev xyz top site online tech store shop
    blog cloud club vip work live news wiki email website space fun art design agency studio group media company
    world asia cat jobs mobi tel travel bank
    """
)
# Country codes (ISO 3166 with ac, eu, uk).
_COUNTRIES = _words(
    """
    ac ad ae af ag al am ao aq ar at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf
    cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge
    gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg
    kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu
    mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru
    rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw
    tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
    """
)
TOP_LEVEL = _GENERIC | _COUNTRIES

# English words and file endings: a host only behind www., with a path, or with a digit or a hyphen in its name.
AMBIGUOUS = _words(
    """
    ac ad ag ai al am an as at be by cat do es et go he id ie if im in is it la li ma me my no of on or pa pm pro
    re so st sh py pl md ml rs ps cc mm vi to tv us we name live news work space fun art design group media
    company world travel bank jobs store shop wiki email club int mil
    """
)

# Those that people spell out: "dot com".
SPOKEN = _words(
    """
    com org net edu gov mil int info biz io co cn uk de fr eu us jp hk tw ru in au ca nl se ch es it br mx kr sg
    me tv cc app dev ai name pro xyz top site online tech
    """
)
